package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// The tests of the console drive Chromium as a person would: by what is written on buttons, links and fields. Every page
// is watched meanwhile: an error in its console, a breach of the content policy, a dialog or a request to another host
// fails the test.

// browserWait is how long a page may take for what a test waits for, on a machine that does other things as well.
const browserWait = 30 * time.Second

var browserPrograms = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// startBrowser starts the one browser that the tests share; it ends with the process.
var startBrowser = sync.OnceValues(func() (context.Context, error) {
	program := ""
	for _, name := range browserPrograms {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		return nil, fmt.Errorf("no Chromium here: `apt-get install chromium`, or any of %s in the PATH", strings.Join(browserPrograms, ", "))
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-background-networking", true),
		chromedp.WSURLReadTimeout(60*time.Second))
	allocator, _ := chromedp.NewExecAllocator(context.Background(), flags...)
	browser, cancel := chromedp.NewContext(allocator)
	if err := chromedp.Do(browser); err != nil {
		cancel()
		return nil, err
	}
	stopBrowser = cancel
	return browser, nil
})

var stopBrowser = func() {} // by TestMain

// A page is a tab of a browser that shares nothing with those of other tests.
type page struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu      sync.Mutex
	faults  []string
	allowed []string // faults that a test provokes; see allow
}

// browse opens a tab on the server's local port, as wide as a desktop's window. Without a browser the test is skipped, or
// fails where XIVELY_TEST_CLIENTS=required.
func (s *testServer) browse() *page {
	s.t.Helper()
	return browse(s.t, "http://"+s.listeners.local.Addr().String())
}

func browse(t *testing.T, base string) *page {
	t.Helper()
	if testing.Short() {
		t.Skip("browser tests take their time: not with -short")
	}
	browser, err := startBrowser()
	if err != nil {
		if os.Getenv("XIVELY_TEST_CLIENTS") == "required" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	p := &page{t: t, ctx: ctx, base: base}
	if err := chromedp.Do(ctx); err != nil { // opens the tab
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, p.watch); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			p.picture("failed")
		}
		cancel()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, f := range p.faults {
			t.Errorf("the page: %s", f)
		}
	})
	p.run(send(network.Enable, network.EnableParams{}), send(cdplog.Enable, cdp.Empty{}), send(runtime.Enable, cdp.Empty{}), media("light"), chromedp.EmulateViewport(1440, 900))
	return p
}

// A visited server has one account, whose admin is signed in, over REST by a token and in a tab.
type visited struct {
	*testServer
	token, account, admin string
}

func visit(t *testing.T) (visited, *page) {
	t.Helper()
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	p := s.browse()
	p.signIn(testEmail)
	return visited{s, s.signIn(testEmail), accounts[0].AccountID, accounts[0].AccountUserID}, p
}

// downloads has the tab put what it downloads into a new folder.
func (p *page) downloads() (folder string) {
	p.t.Helper()
	folder = p.t.TempDir()
	p.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		tab, err := cdp.Call(ctx, t, target.GetTargetInfo, target.GetTargetInfoParams{})
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, t, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
			Behavior: browser.SetDownloadBehaviorBehaviorAllow, BrowserContextID: tab.TargetInfo.BrowserContextID, DownloadPath: folder})
		return err
	}))
	return folder
}

// downloaded waits for a file that the tab puts into a folder, once it is whole, and returns what is in it.
func (p *page) downloaded(folder, name string) string {
	p.t.Helper()
	var text []byte
	p.until("the file "+name+" is there", func() (ok bool) {
		at, err := os.ReadFile(filepath.Join(folder, name))
		ok = err == nil && len(at) > 0 && len(at) == len(text) // it grows no more
		text = at
		return ok
	})
	return string(text)
}

// A gate is an address in front of a server that can be shut: connections through it end, and no new ones come to be.
type gate struct {
	listener net.Listener
	mu       sync.Mutex
	shut     bool
	conns    []net.Conn
}

// gateTo has a tab reach its server through a gate.
func (p *page) gateTo(server string) *gate {
	p.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	g := &gate{listener: l}
	p.t.Cleanup(func() { _ = l.Close(); g.set(true) })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", server)
			if err != nil || !g.add(from, to) {
				_ = from.Close()
				continue
			}
			go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
			go func() { _, _ = io.Copy(from, to); _ = from.Close() }()
		}
	}()
	p.run(chromedp.Navigate("about:blank")) // nothing asks the old address any more
	p.mu.Lock()
	p.base = "http://" + l.Addr().String()
	p.mu.Unlock()
	return g
}

func (g *gate) add(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		_ = conns[1].Close()
		return false
	}
	g.conns = append(g.conns, conns...)
	return true
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	if shut {
		for _, c := range g.conns {
			_ = c.Close()
		}
		g.conns = nil
	}
}

// media is what the page is told of the person before it: the colours, and that nothing is to move, so that no test looks at a
// page in between.
func media(scheme string) chromedp.Action[chromedp.Void] {
	return send(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
}

// watch is called for each event of the tab.
func (p *page) watch(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text := "exception: " + e.ExceptionDetails.Text
		if thrown := e.ExceptionDetails.Exception; thrown != nil {
			text += " " + thrown.Description
		}
		p.fault(text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			text := "console:"
			for _, a := range e.Args {
				text += " " + string(a.Value) + a.Description
			}
			p.fault(text)
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError {
			p.fault(fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		at, err := url.Parse(e.Request.URL)
		p.mu.Lock()
		base := p.base
		p.mu.Unlock()
		if err != nil || at.Scheme != "data" && at.Scheme != "blob" && at.Scheme != "about" && "http://"+at.Host != base {
			p.fault("a request to another host: " + e.Request.URL)
		}
	case *cdppage.EventJavascriptDialogOpening:
		p.fault("a dialog: " + e.Message)
		go func() {
			_ = chromedp.Do(p.ctx, send(cdppage.HandleJavaScriptDialog, cdppage.HandleJavaScriptDialogParams{}))
		}()
	}
}

func (p *page) fault(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.allowed {
		if strings.Contains(text, a) {
			return
		}
	}
	p.faults = append(p.faults, text)
}

// allow names a part of faults that the test provokes, such as a refused request, which Chromium logs as an error.
func (p *page) allow(part string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed = append(p.allowed, part)
}

func (p *page) run(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, browserWait)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("browser: %v", err)
	}
}

// narrow makes the window a phone's, dark makes the page dark.
func (p *page) narrow() { p.t.Helper(); p.run(chromedp.EmulateViewport(375, 812)) }
func (p *page) dark()   { p.t.Helper(); p.run(media("dark")) }

func (p *page) open(path string) { p.t.Helper(); p.run(chromedp.Navigate(p.base + path)) }

// signIn gives the tab the session of a user, without the form.
func (p *page) signIn(email string) {
	p.t.Helper()
	p.allow("/favicon.ico") // what is opened here is no page of the console
	p.open("/healthz")
	body, _ := json.Marshal(object{"emailAddress": email, "password": testPassword})
	script := fmt.Sprintf(`fetch('/api/v1/auth/login-user', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: %s}).then(r => r.status)`, quoteJS(string(body)))
	if status := p.eval(script); status != "200" {
		p.t.Fatalf("sign-in by the page: %s", status)
	}
}

// eval returns the value of an expression, waited for, as JSON.
func (p *page) eval(script string) string {
	p.t.Helper()
	return string(read[[]byte](p, `Promise.resolve(`+script+`).then(v => v === undefined ? null : v)`))
}

// read returns the value of an expression.
func read[T any](p *page, script string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, browserWait)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("browser: %v", err)
	}
	return v
}

// look is read for what is asked again and again: while one page takes another's place there may be no answer.
func look[T any](p *page, script string) (v T, ok bool) {
	ctx, cancel := context.WithTimeout(p.ctx, browserWait)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	return v, err == nil
}

// send is a command of the browser's protocol.
func send[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

func quoteJS(s string) string {
	text, _ := json.Marshal(s)
	return string(text)
}

// finder finds what a person would: xFind(kind, name) returns the visible elements of a kind ("button", "link", "field",
// "tab", "row", "text") whose name has the words. The best match, the one with the least text beside, comes first.
const finder = `
window.xFind ??= (kind, name) => {
  const kinds = {
    button: 'button, [role=button], input[type=submit], [role=menuitem], [role=option], label.mantine-Chip-label, [role=switch]', link: 'a[href]',
    field: 'input, textarea, select', tab: '[role=tab]', row: 'tr, [role=row], [role=listitem], li', text: 'body *',
  };
  const words = (s) => (s ?? '').replace(/\s+/g, ' ').trim();
  const nameOf = (e) => {
    const labels = [...(e.labels ?? [])].map((l) => l.textContent);
    const by = (e.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent ?? '');
    return words([e.getAttribute('aria-label'), ...labels, ...by, e.placeholder, kind === 'field' ? '' : e.textContent, e.title].filter(Boolean).join(' '));
  };
  const visible = (e) => { const r = e.getBoundingClientRect(); const s = getComputedStyle(e); return r.width > 0 && r.height > 0 && s.visibility !== 'hidden' && s.display !== 'none'; };
  const modal = [...document.querySelectorAll('[role=dialog]')].filter(visible).at(-1);
  return [...document.querySelectorAll(kinds[kind])].filter((e) => visible(e) && nameOf(e).includes(name))
    .sort((a, b) => (modal ? modal.contains(b) - modal.contains(a) : 0) || nameOf(a).length - nameOf(b).length);
};
`

// found waits for what xFind finds and returns its middle after scrolling it into view, when nothing lies above it.
func (p *page) found(kind, name string) (x, y float64) {
	p.t.Helper()
	var at []float64
	script := finder + fmt.Sprintf(`(() => {
  for (const e of xFind(%s, %s).slice(0, 8)) {
    if (e.disabled || e.closest('[inert]')) continue;
    e.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
    const r = e.getBoundingClientRect();
    const x = r.x + r.width / 2, y = r.y + r.height / 2;
    const top = document.elementFromPoint(x, y);
    if (top && (e.contains(top) || top.contains(e) || top.closest('label')?.control === e)) return [x, y];
  }
  return [];
})()`, quoteJS(kind), quoteJS(name))
	p.until(fmt.Sprintf("there is a %s %q to use", kind, name), func() bool {
		before := at
		at, _ = look[[]float64](p, script)
		return len(at) == 2 && len(before) == 2 && at[0] == before[0] && at[1] == before[1] // it has come to rest
	})
	return at[0], at[1]
}

func (p *page) click(kind, name string) {
	p.t.Helper()
	x, y := p.found(kind, name)
	p.run(chromedp.MouseClickXY(x, y))
}

func (p *page) button(name string) { p.t.Helper(); p.click("button", name) }
func (p *page) link(name string)   { p.t.Helper(); p.click("link", name) }
func (p *page) tab(name string)    { p.t.Helper(); p.click("tab", name) }

// fill replaces the text of the field with this label.
func (p *page) fill(label, text string) {
	p.t.Helper()
	x, y := p.found("field", label)
	p.run(chromedp.MouseClickXY(x, y), chromedp.Evaluate[chromedp.Void](`document.activeElement.select?.()`), send(input.InsertText, input.InsertTextParams{Text: text}))
	if text == "" {
		p.key(kb.Delete)
	}
}

// choose takes an option of a select field, native or not.
func (p *page) choose(label, option string) {
	p.t.Helper()
	x, y := p.found("field", label)
	script := fmt.Sprintf(`(() => { const e = document.elementFromPoint(%f, %f); if (e?.tagName !== 'SELECT') return false;
	  const o = [...e.options].find((o) => o.text.includes(%s)); Object.getOwnPropertyDescriptor(HTMLSelectElement.prototype, 'value').set.call(e, o.value);
	  e.dispatchEvent(new Event('change', {bubbles: true})); return true; })()`, x, y, quoteJS(option))
	if p.eval(script) == "true" {
		return
	}
	p.run(chromedp.MouseClickXY(x, y))
	p.button(option)
}

// key presses a key: a character, or one of kb's constants.
func (p *page) key(name string) { p.t.Helper(); p.run(chromedp.KeyEvent(name)) }

// see waits until all these texts are to be seen.
func (p *page) see(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.until(fmt.Sprintf("the page shows %q", text), func() bool { return p.shows(text) })
	}
}

// shows tells whether a text is there and visible; line breaks count as spaces.
func (p *page) shows(text string) bool {
	p.t.Helper()
	shown, _ := look[bool](p, fmt.Sprintf(`document.body.innerText.replace(/\s+/g, ' ').includes(%s) || [...document.querySelectorAll('input, textarea')].some((e) => e.value.includes(%s))`, quoteJS(text), quoteJS(text)))
	return shown
}

// gone waits until a text is not to be seen any more.
func (p *page) gone(text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("the page shows no %q any more", text), func() bool { return !p.shows(text) })
}

func (p *page) until(what string, ok func() bool) {
	p.t.Helper()
	for end := time.Now().Add(browserWait); !ok(); time.Sleep(40 * time.Millisecond) {
		if time.Now().After(end) {
			text := read[string](p, `location.pathname + location.search + "\n" + document.body.innerText`)
			p.t.Fatalf("not within %v: %s\nThe page is %s", browserWait, what, text)
		}
	}
}

// location is the path and query of the page.
func (p *page) location() string {
	p.t.Helper()
	at, _ := look[string](p, `location.pathname + location.search`)
	return at
}

// fits fails the test when the page stays wider than its window.
func (p *page) fits() {
	p.t.Helper()
	p.until("the page is no wider than the window", func() bool {
		over, ok := look[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`)
		return ok && over <= 0
	})
}

// accessible fails the test when the page, as it is, breaks a rule of WCAG 2.1 A or AA that axe can see.
func (p *page) accessible() {
	p.t.Helper()
	const at = "console/app/node_modules/axe-core/axe.min.js"
	axe, err := os.ReadFile(at)
	if err != nil {
		if os.Getenv("XIVELY_TEST_CLIENTS") == "required" {
			p.t.Fatalf("no axe: %v", err)
		}
		p.t.Logf("accessibility not looked at: no %s (npm ci in console/app)", at)
		return
	}
	p.until("nothing moves on the page", func() bool {
		still, _ := look[bool](p, `document.getAnimations().every((a) => a.playState !== 'running')`)
		return still
	})
	p.run(chromedp.Evaluate[chromedp.Void](string(axe) + ";0"))
	found := p.eval(`axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'], resultTypes: ['violations']}).then(r => r.violations.map(v =>
	  v.id + ': ' + v.help + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ') + ' ' + n.html.slice(0, 160) + ' ' + (n.any[0]?.message ?? '')).join(' | ')))`)
	if found != "[]" {
		p.t.Errorf("%s: %s", p.location(), found)
	}
}

// picture keeps what the tab shows where XIVELY_TEST_PICTURES names a folder.
func (p *page) picture(name string) {
	dir := os.Getenv("XIVELY_TEST_PICTURES")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, browserWait)
	defer cancel()
	if png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot()); err == nil {
		_ = os.MkdirAll(dir, 0o755)
		_ = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(p.t.Name(), "/", "-")+"-"+name+".png"), png, 0o644)
	}
}
