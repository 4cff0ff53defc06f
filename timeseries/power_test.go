package timeseries

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"xively/internal/auth"
	"xively/storage"
	"xively/storage/storagetest"
)

var powerSeeds = flag.Uint64("power-seeds", 8, "seeds of TestPowerCuts")

// TestPowerCuts writes to a store on a disk that forgets what was not synced: payloads that are acknowledged and payloads
// that are not, deletions, checkpoints at any moment, roll-ups, and then the power goes. Afterwards there is what was
// acknowledged, and of the rest what came first, each payload wholly or not at all.
func TestPowerCuts(t *testing.T) {
	seeds := *powerSeeds
	if testing.Short() {
		seeds = min(seeds, 2)
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { newPowerTest(t, seed).run(12) })
	}
}

// TestPowerCutsAreSeen is the control: with a disk that lies about its syncs, the same test finds points missing.
func TestPowerCutsAreSeen(t *testing.T) {
	for seed := range uint64(20) {
		p := newPowerTest(t, seed)
		p.disk.Lies = true
		for range 12 {
			if p.life(); p.lost != "" {
				return
			}
		}
	}
	t.Error("nothing was lost on a disk that does not sync")
}

type powerTest struct {
	*world
	t    *testing.T
	r    *rand.Rand
	disk *storagetest.Disk

	clock  int64
	models [3]model
	flying []flight // what is not acknowledged yet, in order
	cuts   int
	lost   string // what was acknowledged and is not there
}

// flight is a payload on its way.
type flight struct {
	series int
	points []Point
}

func newPowerTest(t *testing.T, seed uint64) *powerTest {
	p := &powerTest{t: t, r: rand.New(rand.NewPCG(seed, 11)), disk: &storagetest.Disk{}, clock: 1_600_000_000_000,
		world: &world{dir: t.TempDir(), cfg: Config{AccountSeries: 1000}}} // points are kept for good
	p.start()
	t.Cleanup(func() { p.disk.Hold(false); _ = p.db.Close() })
	return p
}

func (p *powerTest) start() {
	p.t.Helper()
	db, err := storage.Open(p.disk.Config(p.dir), storagetest.Log(p.t))
	if err != nil && p.disk.Lies {
		p.lost = err.Error() // it is seen that something is missing
		return
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.open(p.t, db)
	p.world.clock.Store(p.clock + 2*dayMs)
}

func (p *powerTest) run(lives int) {
	for range lives {
		if p.life(); p.lost != "" {
			p.t.Fatalf("after cut %d: %s", p.cuts, p.lost)
		}
		if p.t.Failed() {
			return
		}
	}
	checkChunks(p.t, p.db)
	if err := p.db.Close(); err != nil {
		p.t.Error(err)
	}
	if _, err := storage.Verify(p.dir); err != nil {
		p.t.Error(err)
	}
}

func powerTopic(i int) string { return fmt.Sprint(topic, i) }

// life is some work, a power cut, and a look at what is left.
func (p *powerTest) life() {
	for range 10 + p.r.IntN(40) {
		switch k := p.r.IntN(100); {
		case k < 80:
			p.publish()
		case k < 84:
			i := p.r.IntN(len(p.models))
			if err := p.DeleteAll(account, powerTopic(i)); err != nil {
				p.t.Fatal(err)
			}
			p.models[i] = nil
		case k < 90:
			if err := p.tidy(p.t.Context()); err != nil {
				p.t.Fatal(err)
			}
		default:
			p.query()
		}
	}
	// From here on nothing is acknowledged, and a checkpoint that is under way stands still.
	p.disk.Hold(true)
	flown := make(chan struct{})
	go func() {
		defer close(flown)
		for range p.r.IntN(6) {
			p.fly()
		}
	}()
	select {
	case <-flown:
	case <-time.After(time.Second): // the journal waits for the checkpoint; it is told of the power below
	}
	if err := p.disk.PowerOff(); err != nil {
		p.t.Fatal(err)
	}
	p.disk.Hold(false)
	<-flown
	_ = p.db.Close() // it says that the power is off
	if err := p.disk.PowerOn(p.r); err != nil {
		p.t.Fatal(err)
	}
	p.cuts++
	if p.start(); p.lost == "" {
		p.settle()
	}
}

// publish stores a payload and waits until it is on disk.
func (p *powerTest) publish() {
	f, csv := p.payload()
	p.world.publish(p.t, powerTopic(f.series), csv)
	if len(p.reasons) > 0 {
		p.t.Fatal(p.reasons)
	}
	p.models[f.series].add(f.points)
}

func (p *powerTest) payload() (f flight, csv string) {
	f.series = p.r.IntN(len(p.models))
	for range 1 + p.r.IntN(40) {
		f.points = append(f.points, randomPoint(p.r, &p.clock))
	}
	csv, ok := formatCSV(f.points)
	if !ok {
		p.t.Fatal("the test made a point without CSV form")
	}
	return f, csv
}

// fly hands a payload over that nobody waits for.
func (p *powerTest) fly() {
	f, csv := p.payload()
	b := p.db.Journal().Begin()
	p.Sink(account, powerTopic(f.series))(auth.Principal{Kind: auth.Device, AccountID: account, ID: device}, "", []byte(csv), b)
	b.Append()
	b.End()
	p.flying = append(p.flying, f)
}

func (p *powerTest) query() {
	i := p.r.IntN(len(p.models))
	q := randomQuery(p.r, p.clock)
	q.Topic = powerTopic(i)
	if got, want := p.all(p.t, q), p.models[i].read(q); !slices.Equal(got, want) {
		p.t.Fatalf("%+v: %d points, want %d", q, len(got), len(want))
	}
}

// settle finds out how many of the payloads in flight came through, and goes on from there.
func (p *powerTest) settle() {
	var got [len(p.models)][]Point
	for i := range p.models {
		q := everything()
		q.Topic = powerTopic(i)
		got[i] = p.all(p.t, q)
	}
	same := func() bool {
		for i := range p.models {
			if !slices.Equal(got[i], p.models[i]) {
				return false
			}
		}
		return true
	}
	for n := 0; ; n++ {
		if same() {
			p.flying = nil
			p.count()
			return
		}
		if n == len(p.flying) {
			break
		}
		p.models[p.flying[n].series].add(p.flying[n].points)
	}
	var b strings.Builder
	for i := range p.models {
		fmt.Fprintf(&b, "series %d: %d points, with all in flight %d; ", i, len(got[i]), len(p.models[i]))
	}
	p.lost = b.String()
}

// count holds aggregates by the day, from roll-ups where there are some, to the model.
func (p *powerTest) count() {
	for i, m := range p.models {
		q := everything()
		q.Topic, q.Interval, q.Aggregate = powerTopic(i), interval{days: 1, zone: time.UTC}, []string{"count"}
		rows, err := p.Aggregate(p.t.Context(), q)
		if err != nil {
			p.t.Fatal(err)
		}
		n := 0
		for _, r := range rows {
			n += int(r.Values[0])
		}
		if n != len(m) {
			p.t.Errorf("series %d: %d points by the day, want %d", i, n, len(m))
		}
	}
}

// TestPowerGoesDuringSync: a sync that fails is no acknowledgement, and nothing is acknowledged after it.
func TestPowerGoesDuringSync(t *testing.T) {
	p := newPowerTest(t, 1)
	p.publish()
	p.disk.Hold(true)
	p.fly()
	j := p.db.Journal()
	done := make(chan error, 1)
	go func() { done <- j.Wait(t.Context(), j.Last()) }()
	for p.disk.Waiting() == 0 {
		runtime.Gosched()
	}
	p.disk.Release(errors.New("a bad sector"))
	if err := <-done; err == nil {
		t.Error("a payload whose sync failed was acknowledged")
	}
	p.disk.Hold(false)
}
