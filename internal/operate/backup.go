package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"xively/internal/fault"
	"xively/internal/rest"
	"xively/storage"
)

// Backups of the running server lie as files in a folder. One is made at a time, by a goroutine of its own; while it is
// made it has another name (partialSuffix), so that what has the name of a backup is one. Each is read again to its last
// checksum before it counts.
//
// A schedule makes one every so many hours and removes the oldest of those that it has made. It is what the configuration says, until an admin sets
// another one over REST, which is kept in the store.

// Config of the module.
type Config struct {
	// Data is the data folder, which backups are of. Set by the root.
	Data string `yaml:"-"`
	// Dir is the folder that backups lie in; "" means backups in the data folder.
	Dir string `yaml:"dir"`
	// Every is how often one is made; 0 for never, else whole hours from 1h.
	Every time.Duration `yaml:"every"`
	// Keep is how many of those that were made so are kept, from 1.
	Keep int `yaml:"keep"`
}

// DefaultConfig makes no backups by itself: how many gigabytes may lie where is not for us to decide.
func DefaultConfig() Config { return Config{Keep: 7} }

const mostKept = 1000

// Validate returns what is wrong with c.
func (c Config) Validate() error {
	switch {
	case c.Every < 0, c.Every%time.Hour != 0, c.Every > 366*24*time.Hour:
		return fmt.Errorf("every: %v is not a number of whole hours such as 24h; 0s makes none", c.Every)
	case c.Keep < 1 || c.Keep > mostKept:
		return fmt.Errorf("keep: %d is not between 1 and %d", c.Keep, mostKept)
	}
	return nil
}

// Schedule is when backups are made by themselves.
type Schedule struct {
	EveryHours int `json:"everyHours"` // 0: never
	Keep       int `json:"keep"`       // so many of them
}

// Backup is one as it is listed.
type Backup struct {
	Name      string  `json:"name"`
	State     string  `json:"state"` // running, done, failed; while it is restored: restoring, restarting
	Scheduled bool    `json:"scheduled"`
	Started   string  `json:"started"`
	Seconds   float64 `json:"seconds"` // that it took; 0 when it is not known any more
	Bytes     int64   `json:"bytes"`   // so far, while it runs
	Error     string  `json:"error"`   // why it failed, or the last restore of it; "" when nothing did
}

const (
	suffix        = ".tar.zst"
	partialSuffix = ".partial"
	byHand        = "manual"
	bySchedule    = "scheduled"
	timeForm      = "20060102T150405Z"
)

// namePattern is the only form of a backup's name: nothing that a client sends can be another path.
var namePattern = regexp.MustCompile(`^xively-(\d{8}T\d{6}Z)-(manual|scheduled)\.tar\.zst$`)

type backups struct {
	s    *Service
	stop context.CancelFunc
	live context.Context
	done sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	running *Backup // being made or restored
	failed  *Backup // the last one, until one succeeds
	tried   time.Time
	took    map[string]float64
	wrong   map[string]string // why the last restore of a backup failed

	restored chan struct{} // closed when one is ready for the server to start again
}

// open sweeps what an interrupted backup or restore has left.
func (b *backups) open(s *Service) error {
	b.s, b.took, b.wrong, b.restored = s, map[string]float64{}, map[string]string{}, make(chan struct{})
	b.live, b.stop = context.WithCancel(context.Background())
	if err := os.RemoveAll(filepath.Join(s.cfg.Data, unpackedFolder)); err != nil {
		return fmt.Errorf("leftover of an interrupted restore: %w", err)
	}
	leftovers, err := filepath.Glob(filepath.Join(s.cfg.Dir, "xively-*"+suffix+partialSuffix))
	if err != nil {
		return err
	}
	for _, path := range leftovers {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("leftover of an interrupted backup: %w", err)
		}
	}
	return nil
}

func (b *backups) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.stop()
	b.done.Wait()
}

// begin starts a backup and returns it as it is then.
func (b *backups) begin(how string) (Backup, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return Backup{}, fault.New(fault.Unavailable, "The server is stopping. Try again in a moment.")
	case b.running != nil && b.running.State != "running":
		return Backup{}, fault.New(fault.Conflict, "The backup %s is being restored.", b.running.Name)
	case b.running != nil:
		return Backup{}, fault.New(fault.Conflict, "The backup %s is being made; wait until it is done.", b.running.Name)
	}
	now := b.s.now().UTC()
	name := "xively-" + now.Format(timeForm) + "-" + how + suffix
	if _, err := os.Stat(filepath.Join(b.s.cfg.Dir, name)); err == nil {
		return Backup{}, fault.New(fault.Conflict, "There is a backup of this second already.")
	}
	b.tried = now
	b.running = &Backup{Name: name, State: "running", Scheduled: how == bySchedule, Started: rest.Time(now)}
	b.done.Go(func() { b.run(name, now) })
	return *b.running, nil
}

// run makes one backup. It is the goroutine of begin.
func (b *backups) run(name string, began time.Time) {
	path := filepath.Join(b.s.cfg.Dir, name)
	err := os.MkdirAll(b.s.cfg.Dir, 0o700)
	if err == nil {
		err = createFile(path, func(w io.Writer) error { return b.write(w, began) })
	}
	if err == nil {
		if _, err = check(path); err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}
	took := b.s.now().Sub(began)
	b.mu.Lock()
	one := b.running
	b.running = nil
	one.Seconds = round(took.Seconds())
	if err != nil {
		one.State, one.Error = "failed", "The backup failed: "+plainError(err)
		b.failed = one
	} else {
		b.failed, b.took[name] = nil, one.Seconds
	}
	b.mu.Unlock()
	if err != nil {
		b.s.log.Error("backup failed", "name", name, "err", err)
		return
	}
	b.s.log.Info("backup made", "name", name, "took", took)
	if one.Scheduled {
		b.prune()
	}
}

// plainError leaves paths of the server out of what people see.
func plainError(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Op + ": " + p.Err.Error()
	}
	return err.Error()
}

func (b *backups) write(w io.Writer, began time.Time) error {
	counted := &countingWriter{w: w, b: b}
	m := Manifest{archiveForm, began, b.s.source.Server().Version}
	return writeArchive(counted, b.s.cfg.Data, m, func(put storage.SnapshotFile) error {
		_, err := b.s.db.Snapshot(b.live, put)
		return err
	})
}

// countingWriter tells how far a backup is, and ends it with the server.
type countingWriter struct {
	w io.Writer
	b *backups
}

func (c *countingWriter) Write(p []byte) (int, error) {
	if err := c.b.live.Err(); err != nil {
		return 0, err
	}
	n, err := c.w.Write(p)
	c.b.mu.Lock()
	c.b.running.Bytes += int64(n)
	c.b.mu.Unlock()
	return n, err
}

// list returns all backups, the newest first.
func (b *backups) list() ([]Backup, error) {
	entries, err := os.ReadDir(b.s.cfg.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	all := []Backup{}
	for _, e := range entries {
		m := namePattern.FindStringSubmatch(e.Name())
		if m == nil || !e.Type().IsRegular() || b.running != nil && b.running.Name == e.Name() {
			continue
		}
		info, err := e.Info()
		at, ok := time.Parse(timeForm, m[1])
		if err != nil || ok != nil {
			continue // removed meanwhile, or a name by somebody else
		}
		all = append(all, Backup{Name: e.Name(), State: "done", Scheduled: m[2] == bySchedule, Started: rest.Time(at), Bytes: info.Size(),
			Seconds: b.took[e.Name()], Error: b.wrong[e.Name()]})
	}
	for _, one := range []*Backup{b.running, b.failed} {
		if one != nil {
			all = append(all, *one)
		}
	}
	slices.SortFunc(all, func(x, y Backup) int { return strings.Compare(y.Started, x.Started) })
	return all, nil
}

func (b *backups) find(name string) (Backup, error) {
	all, err := b.list()
	if err != nil {
		return Backup{}, err
	}
	for _, one := range all {
		if one.Name == name {
			return one, nil
		}
	}
	return Backup{}, fault.New(fault.NotFound, "There is no backup with this name.")
}

func (b *backups) remove(name string) (Backup, error) {
	one, err := b.find(name)
	if err != nil {
		return one, err
	}
	switch one.State {
	case "running":
		return one, fault.New(fault.Conflict, "The backup is being made; wait until it is done.")
	case "restoring", "restarting":
		return one, fault.New(fault.Conflict, "The backup is being restored.")
	case "failed":
		b.mu.Lock()
		b.failed = nil
		b.mu.Unlock()
		return one, nil
	}
	err = os.Remove(filepath.Join(b.s.cfg.Dir, name)) // find knows names of the one form only
	return one, err
}

// prune removes the oldest of the scheduled backups that are more than are to be kept.
func (b *backups) prune() {
	keep := b.schedule().Keep
	all, err := b.list()
	if err != nil {
		b.s.log.Warn("backups not listed", "err", err)
		return
	}
	for _, one := range all {
		if one.State != "done" || !one.Scheduled {
			continue
		}
		if keep--; keep >= 0 {
			continue
		}
		if _, err := b.remove(one.Name); err != nil {
			b.s.log.Warn("old backup not removed", "name", one.Name, "err", err)
		}
	}
}

var scheduleKey = []byte("backup")

func (b *backups) schedule() Schedule {
	out := Schedule{int(b.s.cfg.Every / time.Hour), b.s.cfg.Keep}
	err := b.s.db.View(func(tx *storage.Tx) error {
		text := tx.Bucket(settingsBucket).Get(scheduleKey)
		if text == nil {
			return nil
		}
		return json.Unmarshal(text, &out)
	})
	if err != nil {
		b.s.log.Error("schedule of backups not read", "err", err)
	}
	return out
}

func (b *backups) setSchedule(v Schedule) error {
	switch {
	case v.EveryHours < 0 || v.EveryHours > 366*24:
		return fault.Field("everyHours", "This must be a number of hours from 1 to 8784, or 0 for no backups.")
	case v.Keep < 1 || v.Keep > mostKept:
		return fault.Field("keep", "This must be from 1 to %d.", mostKept)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.s.db.Update(func(tx *storage.Tx) error {
		tx.Bucket(settingsBucket).Put(scheduleKey, text)
		return nil
	})
}

// due returns when the next scheduled backup is to be made; false when there is none to come. After a failure it is tried
// again an hour later.
func (b *backups) due() (next time.Time, ok bool) {
	every := time.Duration(b.schedule().EveryHours) * time.Hour
	if every == 0 {
		return next, false
	}
	all, _ := b.list() // of a folder that cannot be read nothing is known: the backup says why
	for _, one := range all {
		if one.State == "done" && one.Scheduled {
			at, _ := time.Parse(time.RFC3339, one.Started)
			next = at.Add(every)
			break
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed != nil && next.Before(b.tried.Add(time.Hour)) {
		next = b.tried.Add(time.Hour)
	}
	if now := b.s.now(); next.Before(now) {
		next = now
	}
	return next, true
}

// runDue makes the scheduled backup when its time has come.
func (b *backups) runDue(now time.Time) {
	if next, ok := b.due(); !ok || next.After(now) {
		return
	}
	if _, err := b.begin(bySchedule); err != nil && fault.KindOf(err) != fault.Conflict {
		b.s.log.Warn("scheduled backup not begun", "err", err)
	}
}

const staleAfter = 7 * 24 * time.Hour

// attention says what is wrong with the backups.
func (b *backups) attention(now time.Time) (found []Attention) {
	for _, name := range b.replaced() {
		found = append(found, Attention{Code: "backup", Severity: "notice", Text: fmt.Sprintf("What a restore replaced is kept as %s in the data folder, and is a data folder itself. Remove it when it is not needed any more.", name)})
	}
	return append(found, b.newest(now)...)
}

// newest says what is wrong with the newest backup.
func (b *backups) newest(now time.Time) []Attention {
	all, err := b.list()
	if err != nil {
		return []Attention{{Code: "backup", Severity: "error", Text: "The folder of the backups cannot be read: " + plainError(err) + "."}}
	}
	if i := slices.IndexFunc(all, func(o Backup) bool { return o.State == "failed" }); i >= 0 {
		return []Attention{{Code: "backup", Severity: "error", Text: all[i].Error, Newest: all[i].Started}}
	}
	for _, one := range all {
		if at, err := time.Parse(time.RFC3339, one.Started); one.State == "done" && err == nil {
			if now.Sub(at) > staleAfter {
				return []Attention{{Code: "backup", Severity: "warning", Text: fmt.Sprintf("The newest backup is %d days old.", int(now.Sub(at).Hours()/24)), Newest: one.Started}}
			}
			return nil
		}
	}
	return []Attention{{Code: "backup", Severity: "notice", Text: "There is no backup yet. Make one, or let them be made every night."}}
}

const awaitEvery = 100 * time.Millisecond

// await returns a backup when it is not being made or unpacked any more.
func (b *backups) await(ctx context.Context, name string) (Backup, error) {
	tick := time.NewTicker(awaitEvery)
	defer tick.Stop()
	for {
		one, err := b.find(name)
		if err != nil || one.State != "running" && one.State != "restoring" {
			return one, err
		}
		select {
		case <-ctx.Done(): // the backup goes on
			return one, nil
		case <-tick.C:
		}
	}
}

// send copies a backup's file to w.
func (b *backups) send(name string, w io.Writer) error {
	f, err := os.Open(filepath.Join(b.s.cfg.Dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
