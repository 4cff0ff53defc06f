package blueprint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
	"xively/internal/rest"
)

// Limits of a batch.
const (
	maxBatch       = 100
	maxBatchAnswer = 32 << 20 // bytes of all answers together
)

// batchRequest is one member of a batch: a request to this API.
type batchRequest struct {
	Method  string         `json:"method"`
	Path    string         `json:"path"` // with a query; a whole URL is taken too, whatever its host
	Payload map[string]any `json:"payload"`
}

// batch answers several requests in one, in order, each with the caller's rights and each for itself: one that fails is
// an error body at its place, and the others go on.
func (s *Service) batch(c echo.Context) error {
	var in struct {
		Requests []batchRequest `json:"requests"`
	}
	body, err := resource{s: s}.body(c)
	if err != nil {
		return err
	}
	if err := rest.Decode(body, &in); err != nil {
		return err
	}
	if len(in.Requests) > maxBatch {
		return fault.Field("requests", "A batch can hold at most %d requests.", maxBatch)
	}
	answers := make([]json.RawMessage, 0, len(in.Requests))
	size := 0
	for i, r := range in.Requests {
		request, err := r.request(c, i)
		if err != nil {
			return err
		}
		answer := batchAnswer{header: http.Header{}}
		c.Echo().ServeHTTP(&answer, request)
		body := bytes.TrimSpace(answer.body.Bytes())
		if !json.Valid(body) {
			return fault.Field(fmt.Sprintf("requests[%d]", i), "What this path answers is not JSON and cannot be part of a batch.")
		}
		if size += len(body); size > maxBatchAnswer {
			return fault.New(fault.TooLarge, "The answers of this batch are longer than %d bytes together; ask for fewer or smaller pages.", maxBatchAnswer)
		}
		answers = append(answers, json.RawMessage(body))
	}
	return rest.JSON(c, answers)
}

// request makes a member the request it stands for, with the sign-in and origin of the batch.
func (r batchRequest) request(c echo.Context, i int) (*http.Request, error) {
	where := fmt.Sprintf("requests[%d].", i)
	u, err := url.Parse(r.Path)
	if err != nil || !strings.HasPrefix(u.Path, "/api/v1/") || strings.HasPrefix(u.Path, "/api/v1/batch") {
		return nil, fault.Field(where+"path", "This must be a path below /api/v1/, and not another batch.")
	}
	method := strings.ToUpper(r.Method)
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return nil, fault.Field(where+"method", "This must be get, post, put, patch or delete.")
	}
	var body []byte
	if method != http.MethodGet && r.Payload != nil {
		if body, err = json.Marshal(r.Payload); err != nil {
			return nil, fmt.Errorf("batch: encode payload: %w", err)
		}
	}
	target := (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()
	request, err := http.NewRequestWithContext(c.Request().Context(), method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fault.Field(where+"path", "This is not a path.")
	}
	from := c.Request()
	request.Host, request.RemoteAddr, request.TLS, request.RequestURI = from.Host, from.RemoteAddr, from.TLS, target
	for _, name := range []string{"Authorization", "Cookie", "Origin", "Sec-Fetch-Site"} {
		if v := from.Header.Values(name); v != nil {
			request.Header[name] = v
		}
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if etag, ok := r.Payload["etag"].(string); ok {
		request.Header.Set("ETag", etag)
	}
	return request, nil
}

// batchAnswer takes down what a handler answers.
type batchAnswer struct {
	header http.Header
	body   bytes.Buffer
}

func (a *batchAnswer) Header() http.Header         { return a.header }
func (a *batchAnswer) WriteHeader(int)             {}
func (a *batchAnswer) Write(b []byte) (int, error) { return a.body.Write(b) }
