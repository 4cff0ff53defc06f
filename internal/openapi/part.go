package openapi

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// part is a *.yaml file: the description of a module.
type part struct {
	Base       string // before every path
	Plain      bool   // errors have the identity service's shape
	Tags       []tag  // the first is that of operations which name none
	Schemas    map[string]any
	Nouns      []noun
	Operations map[string]operation // by "POST /path"
}

type tag struct{ Name, Text string }

// operation is one method of one path.
type operation struct {
	Summary  string
	Text     string // more about it, in Markdown
	Tag      string
	Security []string       // ways to sign in, any of them; none: by token or cookie; [anyone]: without
	Query    map[string]any // parameters; "!" behind a name: needed
	Headers  map[string]any
	Paged    bool     // takes page and pageSize
	Body     any      // members, as JSON or a form
	Takes    []string // types of a body that is none of both
	One      string   // "device Device": the envelope's member and its schema
	List     string   // "devices Device": the same for a list with paging
	Answer   any      // what is in no envelope
	Sends    []string // types of an answer that is not JSON
	Moves    bool     // answers with a redirect; errors come as a page to browsers, as PlainError to others
	OAuth    bool     // errors 400 and 401 have OAuth's shape, or the usual one
	Empty    bool     // answers without a body
	Upgrades bool     // answers with another protocol
	Fails    []int    // statuses beside those of every operation
}

// Ways to sign in, by their names in the document.
var schemes = object{
	"token":       object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A token of `POST /api/v1/auth/login-user`, or an API key."},
	"cookie":      object{"type": "apiKey", "in": "cookie", "name": "xively-access-token", "description": "The same token, as browsers hold it after a sign-in. Changes are taken from our own pages only."},
	"application": object{"type": "apiKey", "in": "header", "name": "AccessToken", "description": "The token of an application (app credential)."},
	"credential":  object{"type": "http", "scheme": "basic", "description": "The id of a device or user and its MQTT secret; for `/oauth2`, the client's id and token."},
}

// failures are the statuses of errors, with what they tell.
var failures = map[int]string{
	400: "The request is not well formed, or a field has a wrong value; `field` names it.",
	401: "No valid sign-in.",
	403: "The caller may not do this; the message names the rule.",
	404: "There is no such object, or the caller cannot see it.",
	409: "What is there already stands in the way: a name or serial number that is taken, an object that is in use.",
	412: "The object was changed meanwhile: the etag is stale.",
	413: "The body is too long.",
	415: "The body's content type, or its encoding, is not taken here.",
	422: "The request is well formed and cannot be carried out.",
	429: "Too many requests of this kind; `Retry-After` says when to come back.",
	500: "A fault of the server; report the `requestId`.",
	503: "The server cannot do this now; `Retry-After` says when to come back.",
}

// failureName is "NotFound", or "NotFoundPlain" for one of another shape.
func failureName(status int, shape string) string {
	return strings.ReplaceAll(http.StatusText(status), " ", "") + shape
}

func (p *part) operation(method, path string, op operation) (object, error) {
	tag := op.Tag
	if tag == "" {
		tag = p.Tags[0].Name
	}
	out := object{"operationId": operationID(method, path), "summary": op.Summary, "tags": []string{tag}}
	if op.Summary == "" {
		return nil, fmt.Errorf("no summary")
	}
	if op.Text != "" {
		out["description"] = strings.TrimSpace(op.Text)
	}
	security, secured := op.security()
	out["security"] = security
	parameters, err := op.parameters(path)
	if err != nil {
		return nil, err
	}
	if len(parameters) > 0 {
		out["parameters"] = parameters
	}
	body, err := op.requestBody()
	if err != nil {
		return nil, err
	}
	if body != nil {
		out["requestBody"] = body
	}
	responses, err := op.success()
	if err != nil {
		return nil, err
	}
	for _, status := range op.fails(path, secured) {
		shape := ""
		switch {
		case op.OAuth && status <= http.StatusUnauthorized:
			shape = "OAuth"
		case op.Moves:
			shape = "Page"
		case p.Plain:
			shape = "Plain"
		}
		responses[strconv.Itoa(status)] = object{"$ref": "#/components/responses/" + failureName(status, shape)}
	}
	out["responses"] = responses
	return out, nil
}

func (op *operation) security() (all []object, secured bool) {
	names := op.Security
	if names == nil {
		names = []string{"token", "cookie"}
	}
	all = []object{}
	for _, name := range names {
		if name == "anyone" {
			all = append(all, object{})
			continue
		}
		all, secured = append(all, object{name: []string{}}), true
	}
	return all, secured
}

func (op *operation) fails(path string, secured bool) []int {
	all := append([]int{400, 500, 503}, op.Fails...)
	if secured {
		all = append(all, 401, 403, 429)
	}
	if strings.Contains(path, "{") || op.namesAccount() {
		all = append(all, 404)
	}
	if op.Body != nil || op.Takes != nil {
		all = append(all, 413, 415)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// namesAccount reports whether a request may say an account, which has to be the caller's own.
func (op *operation) namesAccount() bool {
	body, _ := op.Body.(map[string]any)
	return op.Query["accountId"] != nil || body["accountId"] != nil
}

func (op *operation) parameters(path string) (all []object, err error) {
	for rest := path; ; {
		_, tail, found := strings.Cut(rest, "{")
		if !found {
			break
		}
		name, after, _ := strings.Cut(tail, "}")
		one := object{"name": name, "in": "path", "required": true, "schema": object{"type": "string"}}
		if name == "topic" {
			one["description"] = "With plain slashes, or as one escaped segment."
		}
		all, rest = append(all, one), after
	}
	query := maps.Clone(op.Query)
	if op.List != "" || op.Paged {
		if query == nil {
			query = map[string]any{}
		}
		maps.Copy(query, pagingQuery)
	}
	for _, in := range []struct {
		place string
		named map[string]any
	}{{"query", query}, {"header", op.Headers}} {
		for _, key := range slices.Sorted(maps.Keys(in.named)) {
			s, err := schema(in.named[key], inRequest)
			if err != nil {
				return nil, fmt.Errorf("parameter %s: %w", key, err)
			}
			one := object{"name": strings.TrimSuffix(key, "!"), "in": in.place, "schema": s}
			if strings.HasSuffix(key, "!") {
				one["required"] = true
			}
			if text, ok := s["description"]; ok {
				one["description"] = text
				delete(s, "description")
			}
			all = append(all, one)
		}
	}
	return all, nil
}

// pagingQuery is what every list takes.
var pagingQuery = map[string]any{
	"page":      "integer -- 1 for the first",
	"pageSize":  "integer -- 1 to 1000; 10 when not sent",
	"sortBy":    "string -- a member",
	"sortOrder": map[string]any{"raw": object{"type": "string", "description": "asc, or desc"}},
	"meta":      "boolean -- false leaves meta out of the answer",
	"results":   "boolean -- false leaves results out of the answer",
}

func (op *operation) requestBody() (object, error) {
	if op.Takes != nil {
		content := object{}
		for _, media := range op.Takes {
			content[media] = object{"schema": object{"type": "string", "format": "binary"}}
		}
		return object{"required": true, "content": content}, nil
	}
	if op.Body == nil {
		return nil, nil
	}
	s, err := schema(op.Body, inRequest)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return object{"content": object{"application/json": object{"schema": s}, "application/x-www-form-urlencoded": object{"schema": s}}}, nil
}

func (op *operation) success() (object, error) {
	content := object{}
	for _, media := range op.Sends {
		content[media] = object{"schema": object{"type": "string"}}
	}
	s, err := op.answer()
	switch {
	case err != nil:
		return nil, fmt.Errorf("answer: %w", err)
	case s != nil:
		content["application/json"] = object{"schema": s}
	case op.Upgrades:
		return object{"101": object{"description": "The connection goes on in the other protocol."}}, nil
	case len(content) == 0 && !op.Empty && !op.Moves:
		return nil, fmt.Errorf("nothing is answered")
	}
	all := object{}
	if op.Moves {
		all["302"] = object{"description": "The way goes on elsewhere.", "headers": object{"Location": object{"schema": object{"type": "string"}}}}
	}
	switch {
	case len(content) > 0:
		all["200"] = object{"description": "Done.", "content": content}
	case !op.Moves:
		all["200"] = object{"description": "Done."}
	}
	return all, nil
}

func (op *operation) answer() (object, error) {
	if name, of, ok := strings.Cut(op.One, " "); ok {
		return schema(map[string]any{name: of}, inAnswer)
	}
	if name, of, ok := strings.Cut(op.List, " "); ok {
		return listOf(name, of, nil)
	}
	if op.Answer == nil {
		return nil, nil
	}
	return schema(op.Answer, inAnswer)
}

// listOf is the envelope of a list, with more members beside results and meta.
func listOf(name, of string, more map[string]any) (object, error) {
	members := map[string]any{"results?": of + "*", "meta?": "ListMeta"}
	maps.Copy(members, more)
	return schema(map[string]any{name: members}, inAnswer)
}

// operationID is "getDevicesById" for GET /api/v1/devices/{id}.
func operationID(method, path string) string {
	var b strings.Builder
	b.WriteString(strings.ToLower(method))
	path = strings.TrimPrefix(path, "/api/v1")
	for _, segment := range strings.Split(strings.NewReplacer("{", "by-", "}", "").Replace(path), "/") {
		for _, word := range strings.FieldsFunc(segment, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	if strings.HasSuffix(path, "/") && path != "/" {
		b.WriteString("Slash")
	}
	return b.String()
}
