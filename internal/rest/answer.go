package rest

import (
	"maps"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
)

// Limits and defaults of a list request.
const (
	DefaultPageSize = 10
	MaxPageSize     = 1000
	maxPage         = 1_000_000
)

// Page is the paging part of a list request.
type Page struct {
	Page     int    // 1-based
	PageSize int    // 1 to MaxPageSize
	SortBy   string // "" when not sent; the module says which fields it can sort by
	Desc     bool
	Meta     bool // false: leave meta out of the answer
	Results  bool // false: leave results out
}

// Offset is how many matches come before the page.
func (p Page) Offset() int { return (p.Page - 1) * p.PageSize }

// ParsePage reads page, pageSize, sortBy, sortOrder, meta and results from the query.
func ParsePage(c echo.Context) (Page, error) {
	p := Page{SortBy: c.QueryParam("sortBy")}
	var err error
	if p.Page, err = queryInt(c, "page", 1, maxPage); err != nil {
		return Page{}, err
	}
	if p.PageSize, err = queryInt(c, "pageSize", DefaultPageSize, MaxPageSize); err != nil {
		return Page{}, err
	}
	switch strings.ToLower(c.QueryParam("sortOrder")) {
	case "", "asc":
	case "desc":
		p.Desc = true
	default:
		return Page{}, fault.Field("sortOrder", "This must be asc or desc.")
	}
	if p.Meta, err = queryBool(c, "meta"); err != nil {
		return Page{}, err
	}
	if p.Results, err = queryBool(c, "results"); err != nil {
		return Page{}, err
	}
	return p, nil
}

func queryInt(c echo.Context, name string, otherwise, most int) (int, error) {
	text := c.QueryParam(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fault.Field(name, "This must be a whole number from 1 to %d.", most)
	}
	return n, nil
}

func queryBool(c echo.Context, name string) (bool, error) {
	text := c.QueryParam(name)
	if text == "" {
		return true, nil
	}
	b, ok := Bool(text)
	if !ok {
		return false, fault.Field(name, "This must be true or false.")
	}
	return b, nil
}

// JSON answers 200 with v, never to be kept by a cache.
func JSON(c echo.Context, v any) error {
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.JSON(http.StatusOK, v)
}

// One answers 200 with one object in its envelope: {"device":{…}}.
func One(c echo.Context, key string, v any) error {
	return JSON(c, map[string]any{key: v})
}

type listMeta struct {
	Count     int    `json:"count"` // all matches, not the page's length: clients page until page*pageSize reaches it
	Page      int    `json:"page"`
	PageSize  int    `json:"pageSize"`
	SortBy    string `json:"sortBy,omitempty"`
	SortOrder string `json:"sortOrder"`
}

// List answers 200 with one page of results: {"devices":{"results":[…],"meta":{"count":total,…}}}. A nil slice is
// written as [].
func List(c echo.Context, key string, results any, total int, p Page) error {
	return ListWith(c, key, results, total, p, nil)
}

// ListWith is List with more members beside results and meta.
func ListWith(c echo.Context, key string, results any, total int, p Page, more map[string]any) error {
	list := map[string]any{}
	maps.Copy(list, more)
	if p.Results {
		if v := reflect.ValueOf(results); !v.IsValid() || v.Kind() == reflect.Slice && v.IsNil() {
			results = []any{}
		}
		list["results"] = results
	}
	if p.Meta {
		m := listMeta{Count: total, Page: p.Page, PageSize: p.PageSize, SortBy: p.SortBy, SortOrder: "asc"}
		if p.Desc {
			m.SortOrder = "desc"
		}
		list["meta"] = m
	}
	return One(c, key, list)
}

// ETag returns the version in the etag request header, or "". Clients send it bare, quoted and as a weak validator.
func ETag(c echo.Context) string {
	v := strings.TrimSpace(c.Request().Header.Get("ETag"))
	v = strings.TrimPrefix(v, "W/")
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		v = v[1 : len(v)-1]
	}
	return v
}

// Time writes t as all answers do: UTC, milliseconds, "2006-01-02T15:04:05.000Z".
func Time(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
