package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// A login is what `xively login` remembers, in <user config dir>/xively/login.json with mode 0600.
type login struct {
	Server    string `json:"server"`
	CA        string `json:"ca,omitempty"` // absolute path of a PEM file
	AccountID string `json:"accountId"`
	Email     string `json:"emailAddress"`
	Token     string `json:"token"`
}

func loginPath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "xively", "login.json"), nil
}

// readLogin returns the zero login when nobody has signed in yet.
func readLogin() (l login, err error) {
	path, err := loginPath()
	if err != nil {
		return l, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	if err != nil {
		return l, fmt.Errorf("%s: %w: remove it and sign in again", path, err)
	}
	return l, nil
}

func (l login) save() error {
	path, err := loginPath()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	text, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(text, '\n'), 0o600)
}

// serverFlags say which server a command talks to. Flags win over XIVELY_SERVER and XIVELY_CA, those over the login.
type serverFlags struct {
	server string
	ca     string
}

func (f *serverFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.server, "server", "", "server `URL` (default: that of the login, else "+defaultServer+")")
	cmd.Flags().StringVar(&f.ca, "ca", "", "PEM `file` with an authority to trust, such as <data>/tls/ca.pem")
}

const defaultServer = "http://127.0.0.1:8080"

// resolve returns the stored login with server and CA as the flags and the environment want them. A stored token is
// never sent to another server than the one it came from.
func (f *serverFlags) resolve() (login, error) {
	l, err := readLogin()
	if err != nil {
		return l, err
	}
	server := first(f.server, os.Getenv("XIVELY_SERVER"), l.Server, defaultServer)
	server = strings.TrimRight(server, "/")
	if u, err := url.Parse(server); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return l, usageError("server %q is not a URL such as https://iot.example.com:8443", server)
	}
	if server != l.Server {
		l = login{Server: server}
	}
	if ca := first(f.ca, os.Getenv("XIVELY_CA")); ca != "" {
		if l.CA, err = filepath.Abs(ca); err != nil {
			return l, err
		}
	}
	return l, nil
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// tlsConfig returns the client side's TLS settings.
func (l login) tlsConfig() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if l.CA == "" {
		return cfg, nil
	}
	var err error
	cfg.RootCAs, err = trustPool(l.CA)
	return cfg, err
}

// A client talks REST to one server, as the user of the login.
type client struct {
	login
	http *http.Client
}

func (f *serverFlags) client() (*client, error) {
	l, err := f.resolve()
	if err != nil {
		return nil, err
	}
	cfg, err := l.tlsConfig()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = cfg
	return &client{login: l, http: &http.Client{Transport: transport, Timeout: time.Minute}}, nil
}

// signedIn is client for commands that need a login.
func (f *serverFlags) signedIn() (*client, error) {
	c, err := f.client()
	if err == nil && c.Token == "" {
		err = &apiError{Status: http.StatusUnauthorized, Message: "not signed in to " + c.Server + ": run `xively login EMAIL` first"}
	}
	return c, err
}

// An apiError is an answer of the server that is not a success.
type apiError struct {
	Status  int
	Message string
}

func (e *apiError) Error() string { return e.Message }

// The most a JSON answer may hold: 1000 objects of a page are far below it.
const (
	maxAnswer      = 64 << 20
	maxErrorAnswer = 1 << 20
)

// call sends body (nil for none) as JSON and decodes the answer into out (nil to drop it). A renewed token in the
// answer is kept for the next command.
func (c *client) call(ctx context.Context, method, path string, body, out any) error {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(text)
	}
	kind := ""
	if body != nil {
		kind = "application/json"
	}
	resp, err := c.send(ctx, c.http, method, path, kind, payload)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s %s: the answer is not what a xively server sends: %w", method, path, err)
	}
	return nil
}

// send sends one request with the login's token and returns the answer of a success, whose body the caller closes. kind
// is the body's content type. headers are pairs.
func (c *client) send(ctx context.Context, by *http.Client, method, path, kind string, body io.Reader, headers ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.Server+path, body)
	if err != nil {
		return nil, err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := by.Do(req)
	if err != nil {
		if cause := errors.Unwrap(err); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("%s cannot be reached: %w", c.Server, err)
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorAnswer))
		if err != nil {
			return nil, err
		}
		answer := answerError(resp.StatusCode, text)
		if answer.Status == http.StatusUnauthorized && c.Token != "" {
			answer.Message += " (sign in again with `xively login EMAIL`)"
		}
		return nil, answer
	}
	if token := resp.Header.Get("xively-access-token"); token != "" && token != c.Token && c.Token != "" {
		c.Token = token
		if err := c.save(); err != nil {
			resp.Body.Close()
			return nil, err
		}
	}
	return resp, nil
}

// unhurried is the HTTP client for what may take longer than a minute: files and live views.
func (c *client) unhurried() *http.Client { return &http.Client{Transport: c.http.Transport} }

// answerError finds the sentence for people in an error answer of either shape (Blueprint's and IDM's).
func answerError(status int, text []byte) *apiError {
	var body struct {
		Message string          `json:"message"`
		Error   json.RawMessage `json:"error"`
	}
	_ = json.Unmarshal(text, &body) // what is not JSON leaves the message empty
	var nested struct {
		Message string `json:"message"`
		Details []struct {
			Message string `json:"message"`
			Field   string `json:"field"`
		} `json:"details"`
	}
	_ = json.Unmarshal(body.Error, &nested)
	message := first(body.Message, nested.Message, http.StatusText(status))
	if len(nested.Details) > 0 && nested.Details[0].Field != "" {
		message = nested.Details[0].Field + ": " + first(nested.Details[0].Message, message)
	}
	return &apiError{status, message}
}

// freshToken returns a token that MQTT accepts: REST renews an expired one of a live session, CONNECT does not.
func (c *client) freshToken(ctx context.Context) (string, error) {
	var answer struct{ JWT string }
	if err := c.call(ctx, http.MethodPost, "/api/v1/sessions/renew-session", struct{}{}, &answer); err != nil {
		return "", err
	}
	if answer.JWT == "" {
		return "", errors.New("the server sent no token")
	}
	c.Token = answer.JWT
	return c.Token, c.save()
}

// object is a JSON object as it came.
type object = map[string]any

// query builds "?a=b&…" from pairs, leaving out empty values.
func query(pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

// change puts members of an object that has this version; "" for one without versions.
func (c *client) change(ctx context.Context, path, version string, members object, key string) (object, error) {
	text, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	var headers []string
	if version != "" {
		headers = []string{"etag", version}
	}
	resp, err := c.send(ctx, c.http, http.MethodPut, path, "application/json", bytes.NewReader(text), headers...)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer map[string]object
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("PUT %s: the answer is not what a xively server sends: %w", path, err)
	}
	return answer[key], nil
}

// list gets one page of a resource.
func (c *client) list(ctx context.Context, path, key string) (rows []object, total int, err error) {
	var answer map[string]struct {
		Results []object
		Meta    struct{ Count int }
	}
	err = c.call(ctx, http.MethodGet, path, nil, &answer)
	return answer[key].Results, answer[key].Meta.Count, err
}

// one calls a route that answers {"<key>": {…}}.
func (c *client) one(ctx context.Context, method, path string, body any, key string) (object, error) {
	var answer map[string]object
	if err := c.call(ctx, method, path, body, &answer); err != nil {
		return nil, err
	}
	if answer[key] == nil {
		return nil, fmt.Errorf("%s %s: the answer has no %q", method, path, key)
	}
	return answer[key], nil
}

// pause waits, or returns the error of a context that ends before.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
