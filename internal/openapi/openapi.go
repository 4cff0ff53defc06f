package openapi

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"
	"go.yaml.in/yaml/v3"
)

//go:embed *.yaml
var parts embed.FS

//go:embed page
var page embed.FS

// DocumentPath and PagePath are where Routes serves.
const (
	DocumentPath = "/api/openapi.json"
	PagePath     = "/docs"
)

// Routes serves the document and the page that shows it on g, the group of the root. Both are for everybody: they tell
// what the server can do and nothing of what is in it.
func Routes(g *echo.Group) error {
	text, err := Document()
	if err != nil {
		return err
	}
	g.GET(DocumentPath, send("application/json", text))
	for name, at := range map[string]struct{ path, kind string }{
		"index.html": {PagePath, "text/html; charset=utf-8"},
		"docs.css":   {PagePath + "/docs.css", "text/css; charset=utf-8"},
		"docs.js":    {PagePath + "/docs.js", "text/javascript; charset=utf-8"},
	} {
		content, err := page.ReadFile("page/" + name)
		if err != nil {
			return err
		}
		g.GET(at.path, send(at.kind, content))
	}
	return nil
}

// send answers with content, compressed for who takes that: the document is long, and much the same all over.
func send(kind string, content []byte) echo.HandlerFunc {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(content) // a buffer takes everything
	_ = z.Close()
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Cache-Control", "no-cache")
		h.Add("Vary", "Accept-Encoding")
		if !strings.Contains(c.Request().Header.Get("Accept-Encoding"), "gzip") {
			return c.Blob(http.StatusOK, kind, content)
		}
		h.Set("Content-Encoding", "gzip")
		return c.Blob(http.StatusOK, kind, packed.Bytes())
	}
}

// Document returns the document as JSON. It is made once; the caller does not change it.
var Document = sync.OnceValues(func() ([]byte, error) {
	doc, err := build()
	if err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	return json.Marshal(doc)
})

func build() (object, error) {
	files, err := parts.ReadDir(".")
	if err != nil {
		return nil, err
	}
	paths, schemas, tags := object{}, object{}, []object{}
	for _, f := range files {
		text, err := parts.ReadFile(f.Name())
		if err != nil {
			return nil, err
		}
		p := part{Schemas: map[string]any{}, Operations: map[string]operation{}}
		in := yaml.NewDecoder(bytes.NewReader(text))
		in.KnownFields(true)
		if err := in.Decode(&p); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		if err := p.add(paths, schemas); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		for _, t := range p.Tags {
			tags = append(tags, object{"name": t.Name, "description": t.Text})
		}
	}
	return object{
		"openapi": "3.0.3",
		"info":    object{"title": "xively", "version": "1", "description": introduction},
		"servers": []any{object{"url": "/"}},
		"tags":    tags,
		"paths":   paths,
		"components": object{
			"securitySchemes": schemes, "schemas": schemas, "responses": errorResponses(),
		},
	}, nil
}

const introduction = "The REST interface of a connected-product platform. Success is status 200, also for what is created. " +
	"Objects come in an envelope named after them; lists have `results` and `meta`, whose `count` is that of all matches. " +
	"A change is partial, and may carry the object's `version` in the `etag` header. Bodies are JSON or a form, whose " +
	"texts stand for numbers and booleans, too; members and parameters nobody knows are not looked at. Times are UTC."

// add puts a part's paths and schemas into the document.
func (p *part) add(paths, schemas object) error {
	if len(p.Tags) == 0 {
		return fmt.Errorf("no tags")
	}
	if err := p.addNouns(); err != nil {
		return err
	}
	for name, v := range p.Schemas {
		s, err := schema(v, inAnswer)
		if err != nil {
			return fmt.Errorf("schema %s: %w", name, err)
		}
		if schemas[name] != nil {
			return fmt.Errorf("schema %s is there twice", name)
		}
		schemas[name] = s
	}
	for _, key := range slices.Sorted(maps.Keys(p.Operations)) {
		method, route, _ := strings.Cut(key, " ")
		route = path.Join("/", p.Base, route) + trailing(route)
		out, err := p.operation(method, route, p.Operations[key])
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		item, _ := paths[route].(object)
		if item == nil {
			item = object{}
			paths[route] = item
		}
		if item[strings.ToLower(method)] != nil {
			return fmt.Errorf("%s is there twice", key)
		}
		item[strings.ToLower(method)] = out
	}
	return p.lists(paths)
}

// lists gives the nouns' lists their facets.
func (p *part) lists(paths object) error {
	for i := range p.Nouns {
		s, err := p.Nouns[i].list()
		if err != nil {
			return err
		}
		for _, at := range []string{p.Nouns[i].Path, p.Nouns[i].Alias} {
			if item, ok := paths[p.Base+at].(object); at != "" && ok {
				ok := item["get"].(object)["responses"].(object)["200"].(object)
				ok["content"].(object)["application/json"] = object{"schema": s}
			}
		}
	}
	return nil
}

// trailing keeps the slash at a path's end, which path.Join takes away.
func trailing(route string) string {
	if len(route) > 1 && strings.HasSuffix(route, "/") {
		return "/"
	}
	return ""
}

func refTo(schema string) object { return object{"$ref": "#/components/schemas/" + schema} }

func errorResponses() object {
	all := object{}
	for status, text := range failures {
		for shape, schema := range map[string]object{
			"": refTo("Error"), "Plain": refTo("PlainError"), "OAuth": {"anyOf": []any{refTo("OAuthError"), refTo("PlainError")}},
			"Page": refTo("PlainError"),
		} {
			if shape == "OAuth" && status > http.StatusUnauthorized {
				continue
			}
			content := object{"application/json": object{"schema": schema}}
			if shape == "Page" {
				content["text/html"] = object{"schema": object{"type": "string"}}
			}
			one := object{"description": text, "content": content}
			if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
				one["headers"] = object{"Retry-After": object{"description": "Seconds.", "schema": object{"type": "integer"}}}
			}
			all[failureName(status, shape)] = one
		}
	}
	return all
}
