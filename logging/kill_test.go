package logging

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"xively/internal/auth"
	"xively/storage"
	"xively/storage/storagetest"
)

// killFolder is where the test binary, run again, works until it is killed; with killHasty it acknowledges what is not on
// disk yet.
const (
	killFolder = "XIVELY_LOG_KILL_FOLDER"
	killHasty  = "XIVELY_LOG_KILL_HASTY"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killFolder); dir != "" {
		fmt.Fprintln(os.Stderr, untilKilled(dir, os.Getenv(killHasty) != ""))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// untilKilled writes entries and prints the name of each that is acknowledged, with checkpoints, merges and searches meanwhile.
func untilKilled(dir string, hasty bool) error {
	log := slog.New(slog.DiscardHandler)
	c := storagetest.Config(dir)
	c.CheckpointBytes = 64 << 10 // some hundred entries
	db, err := storage.Open(c, log)
	if err != nil {
		return err
	}
	w := &world{config: Config{MaxBytes: 1 << 40}, dir: dir, db: db}
	if w.Service, err = New(w.config, db, w, log); err != nil {
		return err
	}
	run := fmt.Sprintf("%x", rand.Uint64())
	failed := make(chan error)
	var out sync.Mutex
	work := func(fn func(n int) error) {
		go func() {
			for n := 0; ; n++ {
				if err := fn(n); err != nil {
					failed <- err
				}
			}
		}()
	}
	for writer := range 8 {
		work(func(n int) error {
			name := fmt.Sprintf("%s-%d-%d", run, writer, n)
			if err := w.writeNumbered(writer%2 == 0, hasty, name); err != nil {
				return err
			}
			out.Lock()
			defer out.Unlock()
			_, err := fmt.Println(name)
			return err
		})
	}
	work(func(int) error {
		_, err := w.engine.merge(account, never)
		return err
	})
	work(func(n int) error {
		_, err := w.Search(context.Background(), account, Query{Size: 50, Sort: []SortKey{{Member: "serviceTimestamp", Desc: true}},
			where: hasWords{anywhere, literals([]string{"fan", fmt.Sprint(n % 300)})}})
		return err
	})
	return <-failed
}

// writeNumbered writes an entry as a device publishes it, or as somebody posts it, and returns when it may be acknowledged;
// hasty does not wait for that.
func (w *world) writeNumbered(published, hasty bool, name string) error {
	text := fmt.Sprintf("entry %s: fan at %d rpm", name, rand.IntN(300))
	if !published {
		e := Entry{AccountID: account, SourceID: device, SourceType: "deviceId", Message: text, Severity: someSeverities[rand.IntN(4)]}
		if hasty {
			w.Append(e)
			return nil
		}
		return w.AppendWait(context.Background(), e)
	}
	j := w.db.Journal()
	b := j.Begin()
	w.Sink(account, logTopic)(auth.Principal{Kind: auth.Device, AccountID: account, ID: device}, logTopic, []byte(`{"message":"`+text+`","code":400}`), b)
	lsn := b.Append()
	b.End()
	if hasty {
		return nil
	}
	return j.Wait(context.Background(), lsn)
}

// TestKill kills a process that writes entries, again and again, and compares what it had acknowledged with what is there.
// XIVELY_LOG_KILL_ROUNDS says how often.
func TestKill(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("XIVELY_LOG_KILL_ROUNDS"))
	if err != nil {
		rounds = 4
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	if missing := killed(t, rounds, r, false); len(missing) > 0 {
		t.Errorf("%d entries were acknowledged and are not there, such as %s", len(missing), missing[0])
	}
}

// TestKillIsSeen is the control: of a process that acknowledges before the disk has it, the same test finds entries missing.
func TestKillIsSeen(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	for range 10 {
		if len(killed(t, 2, r, true)) > 0 {
			return
		}
	}
	t.Error("nothing was lost by a process that does not wait for the disk")
}

// killed kills a process a number of times and returns the names of entries that it had acknowledged and that are not there.
func killed(t *testing.T, rounds int, r *rand.Rand, hasty bool) (missing []string) {
	t.Helper()
	dir := t.TempDir()
	acked := map[string]bool{}
	for range rounds {
		for _, name := range killedAfter(t, dir, r.IntN(2000), hasty) {
			acked[name] = true
		}
	}
	w := (&world{config: Config{MaxBytes: 1 << 40}, dir: dir}).open(t, storagetest.OpenIn(t, dir))
	seen := map[string]int{}
	for after := (position{}); ; {
		q := Query{Size: 1000, Sort: []SortKey{{Member: "serviceTimestamp"}}, where: between{after, position{time: 1 << 60}}}
		found := must(w.Search(t.Context(), account, q))
		for _, e := range found.Entries {
			name, _, _ := strings.Cut(strings.TrimPrefix(e.Message, "entry "), ":")
			seen[name]++
			after, _ = positionOfID(e.ID)
		}
		if len(found.Entries) < q.Size {
			break
		}
		after.seq++
	}
	for name := range acked {
		if seen[name] == 0 {
			missing = append(missing, name)
		}
	}
	for name, n := range seen {
		if n > 1 {
			t.Errorf("%s is there %d times", name, n)
		}
	}
	checkStore(t, w.db)
	t.Logf("%d entries acknowledged in %d rounds, %d there, in %d chunks", len(acked), rounds, len(seen), len(w.chunks(t)))
	if len(acked) == 0 {
		t.Error("nothing was acknowledged")
	}
	return missing
}

// killedAfter runs a process until it has acknowledged so many entries, kills it, and returns all it has acknowledged.
func killedAfter(t *testing.T, dir string, count int, hasty bool) (acked []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killFolder+"="+dir)
	if hasty {
		cmd.Env = append(cmd.Env, killHasty+"=1")
	}
	var errText strings.Builder
	cmd.Stderr = &errText
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // the end, perhaps in the middle of a line
			break
		}
		if acked = append(acked, strings.TrimSpace(line)); len(acked) == count+1 {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait()
	if errText.Len() > 0 {
		t.Fatalf("the process ended by itself: %s", errText.String())
	}
	return acked
}
