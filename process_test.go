package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"xively/broker/brokertest"
	"xively/storage"
)

// A process is `xively serve` as a process of its own, made from the test binary.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout *bufio.Reader
	pipe   io.Closer
	stderr bytes.Buffer // to be read after exit
	mqtts  string       // host:port, known when ready
	mqtt   string       // likewise, if listen.mqtt is set
	rest   string       // URL, known when ready
}

// spawn starts a server on dir with its MQTT and local ports only. It is not ready yet.
func spawn(t *testing.T, dir string, set ...string) *process {
	t.Helper()
	return spawnUnder(t, nil, dir, set...)
}

// spawnUnder is spawn under another program, such as strace, with its arguments.
func spawnUnder(t *testing.T, under []string, dir string, set ...string) *process {
	t.Helper()
	args := append(append([]string{}, under...), os.Args[0], "serve", "--data", dir)
	for _, kv := range append(append([]string{}, testSettings...), append([]string{"listen.tls=", "listen.mqtt="}, set...)...) {
		args = append(args, "--set", kv)
	}
	p := &process{t: t, cmd: exec.Command(args[0], args[1:]...)}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what runs under another program ends with it
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	p.stdout, p.pipe = bufio.NewReader(stdout), stdout
	return p
}

var (
	mqttsLine = regexp.MustCompile(`mqtts://\S+:(\d+)`)
	mqttLine  = regexp.MustCompile(`mqtt://\S+:(\d+)`)
	localLine = regexp.MustCompile(`http://\S+:\d+`)
)

// ready waits for the welcome and reads the ports from it; false when the process ended instead.
func (p *process) ready() bool {
	for p.mqtts == "" || p.rest == "" {
		line, err := p.stdout.ReadString('\n')
		if err != nil {
			return false
		}
		if m := mqttsLine.FindStringSubmatch(line); m != nil {
			p.mqtts = "localhost:" + m[1]
		}
		if m := mqttLine.FindStringSubmatch(line); m != nil {
			p.mqtt = "localhost:" + m[1]
		}
		if m := localLine.FindString(line); m != "" {
			p.rest = m
		}
	}
	go func() { _, _ = io.Copy(io.Discard, p.stdout) }() // ends with the process
	return true
}

func (p *process) mustReady() {
	p.t.Helper()
	if !p.ready() {
		p.t.Fatalf("the server did not start: %v\n%s", p.wait(), p.stderr.String())
	}
}

// kill ends the process as power loss would, as far as the process can tell.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	_ = p.wait()
}

// wait returns the exit code, -1 after a signal.
func (p *process) wait() int {
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) signal(s os.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

func TestSignalsStopTheServer(t *testing.T) {
	dir, _ := newData(t, testEmail)
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		p := spawn(t, dir)
		p.mustReady()
		p.signal(s)
		if code := p.wait(); code != exitOK {
			t.Errorf("%v: exit code %d\n%s", s, code, p.stderr.String())
		}
	}
}

// D21: an orderly stop that takes its time, here for a request that does not end, goes on serving MQTT; a signal that comes at once again is the
// same one, a later one ends the process now, with exit code 1 and a line that says so, and nothing that was acknowledged is lost, before the
// first signal or after it.
func TestSecondSignal(t *testing.T) {
	dir := t.TempDir() + "/data"
	q := newQueueTest(t, dir)
	p := spawn(t, dir, "shutdown=10m")
	p.mustReady()
	q.fill(p)
	publisher := q.dial(p.mqtts, "publisher", q.user, q.secret, true)
	address := strings.TrimPrefix(p.rest, "http://")
	request, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer request.Close()
	fmt.Fprintf(request, "POST /api/v1/auth/login-user HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	if line, err := bufio.NewReader(request).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("%q, %v", line, err) // the body is being read
	}
	p.signal(syscall.SIGTERM)
	p.signal(os.Interrupt)
	eventually(t, "the stop has begun", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	time.Sleep(echoOfSignal)
	q.publish(publisher, queuedMessages, queuedMessages+50, func(i int) []byte {
		return brokertest.Publish(q.prefix+"queue", strconv.Itoa(i), 1, uint16(i+1))
	})
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != exitFailed || strings.Count(p.stderr.String(), "stopped at once") != 1 {
		t.Errorf("exit code %d, want %d\n%s", code, exitFailed, p.stderr.String())
	}
	p = spawn(t, dir)
	p.mustReady()
	q.queued = queuedMessages + 50
	for _, wrong := range q.check(p.mqtts) {
		t.Error(wrong)
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.stderr.String())
	}
}

// A signal in the middle of a start ends it, and the next start finds everything.
func TestSignalWhileStarting(t *testing.T) {
	dir, _ := newData(t, testEmail)
	for i := range 12 {
		p := spawn(t, dir)
		time.Sleep(time.Duration(i) * 10 * time.Millisecond)
		p.signal(syscall.SIGTERM)
		if code := p.wait(); code != exitOK && code != -1 { // -1: before the process could take signals
			t.Errorf("after %d ms: exit code %d\n%s", i*10, code, p.stderr.String())
		}
	}
	s := start(t, dir)
	s.signIn(testEmail)
	s.stop()
	if _, err := storage.Verify(dir); err != nil {
		t.Error(err)
	}
}

func TestHangupKeepsServing(t *testing.T) {
	dir, _ := newData(t, testEmail)
	p := spawn(t, dir)
	p.mustReady()
	p.signal(syscall.SIGHUP)
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.stderr.String())
	}
}

// A second server on the same folder is told so and ends; the first goes on.
func TestSecondServerIsRefused(t *testing.T) {
	dir, _ := newData(t, testEmail)
	first := spawn(t, dir)
	first.mustReady()
	second := spawn(t, dir)
	if second.ready() {
		t.Fatal("two servers run on one folder")
	}
	code := second.wait()
	if text := second.stderr.String(); code != exitFailed || !strings.Contains(text, dir) {
		t.Errorf("exit code %d, stderr %q", code, text)
	}
	if code := run([]string{"init", "--data", dir, "--email", "x@example.com", "--password-stdin"}, strings.NewReader(testPassword), io.Discard, io.Discard); code != exitFailed {
		t.Errorf("init beside a server: exit code %d", code)
	}
	if code := run([]string{"verify", dir}, nil, io.Discard, io.Discard); code != exitFailed {
		t.Errorf("verify beside a server: exit code %d", code)
	}
	first.signal(syscall.SIGTERM)
	if code := first.wait(); code != exitOK {
		t.Errorf("first server: exit code %d\n%s", code, first.stderr.String())
	}
	if code := run([]string{"verify", dir}, nil, io.Discard, io.Discard); code != exitOK {
		t.Errorf("verify after: exit code %d", code)
	}
}

// What cannot work is an error with its reason, and nothing that exists is touched.
func TestServeRefuses(t *testing.T) {
	good, _ := newData(t, testEmail)
	busy := spawn(t, good)
	busy.mustReady()
	defer busy.kill()
	empty := t.TempDir()
	if err := os.WriteFile(empty+"/xively.db", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, dir, set string
		code           int
		want           string
	}{
		{"port in use", t.TempDir(), "listen.mqtts=127.0.0.1:" + strings.TrimPrefix(busy.mqtts, "localhost:"), exitFailed, "listen.mqtts"},
		{"empty store", empty, "log.level=warn", exitFailed, empty + "/xively.db"},
		{"bad setting", t.TempDir(), "broker.max_inflight=0x", exitUsage, "broker.max_inflight"},
		{"setting out of range", t.TempDir(), "broker.max_inflight=5000", exitUsage, "broker.max_inflight"},
		{"missing certificate", t.TempDir(), "tls.certificate=/nowhere", exitUsage, "tls.key"},
	} {
		p := spawn(t, tc.dir, tc.set)
		if p.ready() {
			p.kill()
			t.Errorf("%s: the server started", tc.name)
			continue
		}
		if code := p.wait(); code != tc.code || !strings.Contains(p.stderr.String(), tc.want) {
			t.Errorf("%s: exit code %d, want %d; stderr %q, want %q in it", tc.name, code, tc.code, p.stderr.String(), tc.want)
		}
	}
	if info, err := os.Stat(empty + "/xively.db"); err != nil || info.Size() != 0 {
		t.Error("the empty store was overwritten")
	}
}
