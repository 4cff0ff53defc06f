// Package console holds the web application for admins: the built files, embedded, and how they are served.
//
// The files in dist are what a browser gets, built from app (npm ci, npm run build) and committed, so that Go alone makes
// the whole binary. They talk to the server over the same REST API as everybody else; the only thing the server tells them
// beside it is Settings. Everything works under a content policy without inline script; the style elements that the
// components make carry a nonce, new with each page.
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"
)

//go:embed dist
var dist embed.FS

// Settings are what the pages must know of this server and cannot find out themselves.
type Settings struct {
	TLSPort   int    `json:"tlsPort"`   // 0: switched off
	MQTTSPort int    `json:"mqttsPort"` // 0: switched off
	LocalPort int    `json:"localPort"` // HTTP and WebSocket in clear text, this machine only; 0: switched off
	MQTTPort  int    `json:"mqttPort"`  // clear text; 0: switched off
	Authority bool   `json:"authority"` // clients have to trust /ca.pem
	PublicURL string `json:"publicUrl"` // where people reach the server, by its configuration
	Setup     bool   `json:"setup"`     // there is no account yet: the set-up link makes one
	MaxMind   bool   `json:"maxMind"`   // places of addresses are from MaxMind's data, which wants to be named
	Version   string `json:"version"`
}

type file struct {
	content     []byte
	packed      func() []byte // content in gzip, made once; nil where that is not shorter
	contentType string
	etag        string
}

// Routes serves the pages below g, to be mounted at the root after everything else: a path that is no file and has no
// extension is one of the application's own and gets index.html.
//
// File names are stable and not derived from their content, so browsers ask each time and get 304 for what they have.
//
// settings is asked each time. Files are compressed when they are asked for first, or by a goroutine that begins now and ends by
// itself: half a second of work that nobody has to wait for at start.
func Routes(g *echo.Group, settings func() Settings) error {
	files, err := load()
	if err != nil {
		return err
	}
	go func() {
		for _, f := range files {
			f.packed()
		}
	}()
	g.GET("/settings.json", func(c echo.Context) error {
		c.Response().Header().Set("Cache-Control", "no-store")
		return c.JSON(http.StatusOK, settings())
	})
	serve := func(c echo.Context) error {
		name := strings.TrimPrefix(c.Request().URL.Path, "/")
		f, ok := files[name]
		if name == "index.html" || !ok && path.Ext(name) == "" {
			return files["index.html"].sendPage(c)
		}
		if !ok {
			return echo.ErrNotFound
		}
		return f.send(c)
	}
	g.GET("/*", serve)
	g.HEAD("/*", serve)
	return nil
}

func load() (map[string]file, error) {
	files := map[string]file{}
	err := fs.WalkDir(dist, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := dist.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		files[strings.TrimPrefix(name, "dist/")] = file{content, sync.OnceValue(func() []byte { return pack(content) }), contentType(name), `"` + hex.EncodeToString(sum[:12]) + `"`}
		return nil
	})
	return files, err
}

// contentType knows the few types we have, so that a machine's own table cannot change what browsers get.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json":
		return "application/json"
	case ".woff2":
		return "font/woff2"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

func (f file) send(c echo.Context) error {
	h := c.Response().Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.etag)
	h.Add("Vary", "Accept-Encoding")
	if strings.Contains(c.Request().Header.Get("If-None-Match"), f.etag) {
		return c.NoContent(http.StatusNotModified)
	}
	if c.Request().Method == http.MethodHead {
		h.Set("Content-Type", f.contentType)
		return c.NoContent(http.StatusOK)
	}
	if strings.Contains(c.Request().Header.Get("Accept-Encoding"), "gzip") {
		if packed := f.packed(); packed != nil {
			h.Set("Content-Encoding", "gzip")
			return c.Blob(http.StatusOK, f.contentType, packed)
		}
	}
	return c.Blob(http.StatusOK, f.contentType, f.content)
}

// nonceMark stands in index.html where the nonce goes.
const nonceMark = "{{nonce}}"

// sendPage sends index.html with a fresh nonce in it and in its policy. It is small and never the same, so it is not kept.
func (f file) sendPage(c echo.Context) error {
	nonce := rand.Text()
	h := c.Response().Header()
	h.Set("Content-Security-Policy", policy(nonce))
	h.Set("Cache-Control", "no-store")
	return c.Blob(http.StatusOK, f.contentType, bytes.Replace(f.content, []byte(nonceMark), []byte(nonce), 1))
}

// policy lets the page take everything from here only. Pictures may also be made by the page itself (QR codes, the map's
// marks), and what a person downloads is put together there.
func policy(nonce string) string {
	return "default-src 'self'; style-src 'self' 'nonce-" + nonce + "'; img-src 'self' data: blob:; connect-src 'self'; " +
		"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
}

func pack(content []byte) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	_, _ = z.Write(content) // a buffer takes everything
	_ = z.Close()
	if b.Len() >= len(content) {
		return nil
	}
	return b.Bytes()
}
