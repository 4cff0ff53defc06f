// Command peers gives the same points to xively, InfluxDB and Prometheus over HTTP, one after the other, and asks each for
// the same week. It prints processor time, bytes on disk and latencies. ./run builds xively and starts it.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var (
	program = flag.String("xively", "", "the xively `program`")
	work    = flag.String("work", "", "`folder` for the servers' data")
	series  = flag.Int("series", 100, "how many sensors")
	points  = flag.Int("points", 60_480, "points of each, ten seconds apart: a week")
	queries = flag.Int("queries", 100, "how often each query is asked, each time about another sensor")
	quiet   = flag.Duration("quiet", 20*time.Second, "how long servers get after the ingest to compact what they have")
	port    = flag.Int("port", 21150, "first `port`")
)

const (
	step  = 10_000 // milliseconds
	batch = 10_000 // points of a request
)

// peer is one of the servers.
type peer struct {
	name  string
	dir   string
	start func(p *peer) (*exec.Cmd, error)
	// ingest sends everything, 10,000 points a request.
	ingest func(p *peer, data [][]sample, began int64) error
	// queries are URLs of a week of one sensor.
	queries []query

	cmd    *exec.Cmd
	token  string
	topics []string
}

type query struct {
	what string
	url  func(p *peer, sensor int, began int64) string
}

// sample is a value with one decimal, in tenths.
type sample int32

// sensors returns one-decimal readings that wander: each a tenth up, a tenth down, or the same.
func sensors() [][]sample {
	data := make([][]sample, *series)
	for i := range data {
		r := rand.New(rand.NewPCG(uint64(i), 1))
		v := sample(200 + i)
		data[i] = make([]sample, *points)
		for k := range data[i] {
			v += sample(r.IntN(3) - 1)
			data[i][k] = v
		}
	}
	return data
}

func (s sample) append(buf []byte) []byte { return strconv.AppendFloat(buf, float64(s)/10, 'f', 1, 64) }

func main() {
	flag.Parse()
	if err := compare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func compare() error {
	data := sensors()
	began := time.Now().Add(-time.Duration(*points)*step*time.Millisecond).UnixMilli() / step * step
	total := float64(*series * *points)
	fmt.Printf("%d sensors, %d points each\n\n", *series, *points)
	for _, p := range []*peer{xively(), influx(), prometheus()} {
		if err := p.measure(data, began, total); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

func (p *peer) measure(data [][]sample, began int64, total float64) error {
	p.dir = filepath.Join(*work, p.name)
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	var err error
	if p.cmd, err = p.start(p); err != nil {
		return err
	}
	defer func() {
		if p.cmd != nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	}()
	before, start := p.cpu(), time.Now()
	if err := p.ingest(p, data, began); err != nil {
		return err
	}
	answered, took := p.cpu(), time.Since(start)
	time.Sleep(*quiet)
	settled := p.cpu()
	fmt.Printf("%s: ingest %.2f µs CPU a point until answered, %.2f with what follows (%.1f s for all); resident %d MiB, at most %d\n", p.name,
		micro(answered-before)/total, micro(settled-before)/total, took.Seconds(), p.resident("VmRSS")>>10, p.resident("VmHWM")>>10)
	for _, q := range p.queries {
		if err := p.ask(q, began); err != nil {
			return err
		}
	}
	err = p.stop()
	fmt.Printf("%s: %.2f bytes a point on disk after the stop (%s)\n\n", p.name, float64(usage(p.dir))/total, listing(p.dir))
	return err
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// ask prints the median latency, and the server's processor time, of a query.
func (p *peer) ask(q query, began int64) error {
	var all []time.Duration
	size := 0
	before := p.cpu()
	for i := range *queries {
		start := time.Now()
		body, err := p.do("GET", q.url(p, i%*series, began), "", nil)
		if err != nil {
			return err
		}
		all = append(all, time.Since(start))
		size = len(body)
	}
	used := p.cpu() - before
	slices.Sort(all)
	fmt.Printf("%s: %s: median %.2f ms, server CPU %.2f ms, %d bytes\n", p.name, q.what, micro(all[len(all)/2])/1000, micro(used)/1000/float64(len(all)), size)
	return nil
}

func (p *peer) do(method, url, kind string, body []byte) ([]byte, error) {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	if kind == "application/x-protobuf" {
		req.Header.Set("Content-Encoding", "snappy")
		req.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %.300s", method, url, resp.Status, answer)
	}
	return answer, err
}

// spawn starts a server and waits until it answers at url.
func (p *peer) spawn(url string, env []string, name string, args ...string) (*exec.Cmd, error) {
	log, err := os.Create(filepath.Join(*work, p.name+".log"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for range 300 {
		if _, err := p.do("GET", url, "", nil); err == nil {
			return cmd, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	_ = cmd.Process.Kill()
	return nil, fmt.Errorf("did not start: see %s", log.Name())
}

func (p *peer) stop() error {
	cmd := p.cmd
	p.cmd = nil
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	_ = cmd.Wait() // some end with an exit code of their own
	return nil
}

// cpu is the processor time of the server's process.
func (p *peer) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	user, _ := strconv.Atoi(string(f[11]))
	system, _ := strconv.Atoi(string(f[12]))
	return time.Duration(user+system) * 10 * time.Millisecond
}

// resident is a line of the process's status, in KiB.
func (p *peer) resident(line string) int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	_, tail, _ := strings.Cut(string(b), line+":")
	kib, _ := strconv.Atoi(strings.Fields(tail + " 0")[0])
	return kib
}

// usage is what the files below dir take on disk, without what is the same whatever is stored: xively's journal, and the
// room that it keeps in hand behind the end of its store.
func usage(dir string) (n int64) {
	_ = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() && !strings.Contains(path, "/journal/") {
			n += min(info.Sys().(*syscall.Stat_t).Blocks*512, info.Size())
		}
		return nil
	})
	return n
}

// listing names the largest parts of dir.
func listing(dir string) string {
	entries, _ := os.ReadDir(dir)
	var parts []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() && len(entries) == 1 {
			return listing(path)
		}
		n := usage(path)
		if e.Name() == "journal" {
			n = 0
		}
		if n >= 1<<20 {
			parts = append(parts, fmt.Sprintf("%s %.1f MiB", e.Name(), float64(n)/(1<<20)))
		}
	}
	return strings.Join(parts, ", ")
}
