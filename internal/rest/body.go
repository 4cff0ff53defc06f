package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
)

// Limits of a request body.
const (
	MaxBody  = 1 << 20 // bytes
	MaxDepth = 32      // objects and arrays inside each other
)

// Body reads the request body as one object. Clients in the field send JSON, forms, and JSON that is labelled as a form
// or not labelled at all, so everything but a JSON content type is told apart by its first byte. Values are string,
// bool, nil, json.Number, []any and map[string]any; in a form every value is a string. No body is an empty object.
//
// Errors: TooLarge over MaxBody; 415 for another content type or an encoded body; Invalid for anything that is not
// exactly one object, repeats a key, is nested deeper than MaxDepth, or is not UTF-8.
func Body(c echo.Context) (map[string]any, error) {
	r := c.Request()
	isJSON, err := bodyType(r)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, MaxBody))
	if err != nil {
		return nil, bodyReadError(err)
	}
	return parseBody(data, isJSON)
}

func bodyReadError(err error) error {
	if p := problemOf(err); p.status == http.StatusRequestEntityTooLarge {
		return fault.New(fault.TooLarge, "%s", p.message)
	}
	return fault.Wrap(fault.Invalid, err, "The request body could not be read to its end.")
}

// bodyType reports whether the body says it is JSON; false means: look at it.
func bodyType(r *http.Request) (isJSON bool, err error) {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return false, unsupported("Encoded request bodies are not taken; send the body without Content-Encoding.")
	}
	header := r.Header.Get("Content-Type")
	if header == "" {
		return false, nil
	}
	media, params, err := mime.ParseMediaType(header)
	if err != nil {
		return false, unsupported("The Content-Type header is malformed; send application/json.")
	}
	if cs := params["charset"]; cs != "" && !strings.EqualFold(cs, "utf-8") && !strings.EqualFold(cs, "us-ascii") {
		return false, unsupported("Only UTF-8 is taken; send application/json.")
	}
	switch {
	case media == "application/json", strings.HasSuffix(media, "+json"):
		return true, nil
	case media == echo.MIMEApplicationForm:
		return false, nil
	case media == "text/plain":
		// What fetch puts on a body of unstated type. Together with our cookie it could be a forged form of another
		// site, so there it is refused even where the cross-origin check of an old browser sees nothing.
		if _, err := r.Cookie(TokenName); err != nil {
			return false, nil
		}
	}
	return false, unsupported("This content type is not taken; send application/json or application/x-www-form-urlencoded.")
}

func unsupported(message string) error {
	return echo.NewHTTPError(http.StatusUnsupportedMediaType, message)
}

func parseBody(data []byte, isJSON bool) (map[string]any, error) {
	if !utf8.Valid(data) {
		return nil, fault.New(fault.Invalid, "The request body is not valid UTF-8.")
	}
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	if len(trimmed) == 0 {
		return map[string]any{}, nil
	}
	if isJSON || strings.IndexByte("{[\"", trimmed[0]) >= 0 {
		return parseObject(data)
	}
	return parseForm(string(data))
}

func parseForm(data string) (map[string]any, error) {
	values, err := url.ParseQuery(strings.TrimSpace(data))
	if err != nil {
		return nil, fault.New(fault.Invalid, "The request body is neither a JSON object nor a well-formed form.")
	}
	object := make(map[string]any, len(values))
	for key, v := range values {
		if len(v) > 1 {
			return nil, fault.Field(key, "This key is there %d times; send it once.", len(v))
		}
		if !utf8.ValidString(key) || !utf8.ValidString(v[0]) {
			return nil, fault.New(fault.Invalid, "The request body is not valid UTF-8.")
		}
		object[key] = v[0]
	}
	return object, nil
}

// parseObject reads exactly one JSON object. encoding/json alone would let the last of two equal keys win, and then two
// readers of one request may see different things.
func parseObject(data []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := parseValue(d, "", 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fault.New(fault.Invalid, "There is something after the end of the JSON object.")
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fault.New(fault.Invalid, "The request body must be a JSON object.")
	}
	return object, nil
}

func parseValue(d *json.Decoder, path string, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, malformed(d, err)
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth >= MaxDepth {
		return nil, fault.New(fault.Invalid, "The JSON is nested more than %d levels deep.", MaxDepth)
	}
	if delim == '[' {
		return parseArray(d, path, depth+1)
	}
	return parseMembers(d, path, depth+1)
}

func parseArray(d *json.Decoder, path string, depth int) (any, error) {
	array := []any{}
	for d.More() {
		v, err := parseValue(d, indexPath(path, len(array)), depth)
		if err != nil {
			return nil, err
		}
		array = append(array, v)
	}
	if _, err := d.Token(); err != nil {
		return nil, malformed(d, err)
	}
	return array, nil
}

func parseMembers(d *json.Decoder, path string, depth int) (any, error) {
	object := map[string]any{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, malformed(d, err)
		}
		key, _ := token.(string) // the decoder lets nothing but a string be a key
		if _, twice := object[key]; twice {
			return nil, fault.Field(keyPath(path, key), "This key is there twice; send it once.")
		}
		if object[key], err = parseValue(d, keyPath(path, key), depth); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, malformed(d, err)
	}
	return object, nil
}

func malformed(d *json.Decoder, cause error) error {
	return fault.Wrap(fault.Invalid, cause, "The request body is not well-formed JSON near byte %d.", d.InputOffset())
}

func keyPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func indexPath(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
