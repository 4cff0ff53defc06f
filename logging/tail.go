package logging

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"xively/internal/fault"
)

// Limits of live views.
const (
	maxViewers   = 64  // of an account
	viewerQueue  = 512 // entries a viewer may be behind
	resumeLength = 1000
)

// tail hands new entries to who looks on.
type tail struct {
	watching atomic.Int32

	mu      sync.Mutex // taken after engine.mu
	viewers map[string][]*viewer
}

// viewer is one live view. What it is too slow for is dropped and counted.
type viewer struct {
	where   condition
	lines   chan *line
	dropped atomic.Uint64
}

// offer hands l to the viewers of its account. It never blocks.
func (t *tail) offer(l *line) {
	if t.watching.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range t.viewers[l.account] {
		if !v.where.matches(l.clone()) {
			continue
		}
		select {
		case v.lines <- l:
		default:
			v.dropped.Add(1)
		}
	}
}

func (t *tail) add(account string, where condition) (*viewer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.viewers[account]) >= maxViewers {
		return nil, fault.New(fault.TooMany, "The account has %d live views of its log already. Close one of them.", maxViewers)
	}
	if t.viewers == nil {
		t.viewers = map[string][]*viewer{}
	}
	v := &viewer{where: where, lines: make(chan *line, viewerQueue)}
	t.viewers[account] = append(t.viewers[account], v)
	t.watching.Add(1)
	return v, nil
}

func (t *tail) remove(account string, v *viewer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.viewers[account]
	for i := range all {
		if all[i] == v {
			rest := append(append([]*viewer{}, all[:i]...), all[i+1:]...)
			if t.viewers[account] = rest; len(rest) == 0 {
				delete(t.viewers, account)
			}
			t.watching.Add(-1)
			return
		}
	}
}

// Viewer receives what Watch shows. Its methods are called from Watch's goroutine, in order.
type Viewer interface {
	// Begin is called first, when the viewer is let in.
	Begin() error
	Entry(e *Entry) error
	// Dropped tells how many more entries could not be shown: the viewer was too slow, or away for too many of them.
	Dropped(n uint64) error
	// Idle is called when there is nothing to show for a while.
	Idle() error
}

// Watch shows entries that match q's conditions as they arrive, until ctx ends (then it returns nil) or the viewer fails. With
// after, the _id of an entry, it begins with those that came after that one, the newest thousand of them.
func (s *Service) Watch(ctx context.Context, account string, q Query, after string, show Viewer) error {
	v, err := s.engine.tail.add(account, q.where)
	if err != nil {
		return err
	}
	defer s.engine.tail.remove(account, v)
	if err := show.Begin(); err != nil {
		return err
	}
	w := watch{viewer: v, show: show}
	if after != "" {
		if err := w.resume(ctx, s, account, after); err != nil {
			return err
		}
	}
	return w.run(ctx)
}

type watch struct {
	*viewer
	show Viewer
	last uint64 // seq of the newest entry shown
	told uint64 // of dropped
}

// resume shows what arrived after an entry.
func (w *watch) resume(ctx context.Context, s *Service, account, after string) error {
	p, ok := positionOfID(after)
	if !ok {
		return fault.Field("Last-Event-ID", "This is not the id of an entry.")
	}
	w.last = p.seq
	q := Query{Size: resumeLength, Sort: []SortKey{{Member: "serviceTimestamp", Desc: true}}, where: every{since{p.seq}, w.where}}
	found, err := s.engine.search(ctx, account, q)
	if err != nil {
		return err
	}
	lines := found.page(0)
	if missed := found.total - len(lines); missed > 0 {
		if err := w.show.Dropped(uint64(missed)); err != nil {
			return err
		}
	}
	for i := len(lines) - 1; i >= 0; i-- {
		w.last = max(w.last, lines[i].seq)
		if err := w.show.Entry(lines[i].entry()); err != nil {
			return err
		}
	}
	return nil
}

const idleEvery = 15 * time.Second

// run shows what arrives. Entries come in the order of their seq, so that those resume has shown are known by it.
func (w *watch) run(ctx context.Context) error {
	idle := time.NewTicker(idleEvery)
	defer idle.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case l := <-w.lines:
			if l.seq <= w.last {
				continue
			}
			err = w.show.Entry(l.clone().entry())
		case <-idle.C:
			err = w.show.Idle()
		}
		if now := w.dropped.Load(); err == nil && now > w.told {
			err = w.show.Dropped(now - w.told)
			w.told = now
		}
		if err != nil {
			return err
		}
	}
}
