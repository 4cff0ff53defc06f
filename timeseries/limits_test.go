package timeseries

import (
	"fmt"
	"strings"
	"testing"

	"xively/storage/storagetest"
)

func TestLimits(t *testing.T) {
	w := &world{dir: t.TempDir(), cfg: Config{AccountSeries: 3, AccountRate: 10, SeriesRate: 5}}
	w.open(t, storagetest.OpenIn(t, w.dir))
	refused := func(want string) {
		t.Helper()
		if n := len(w.reasons); n == 0 || !strings.Contains(w.reasons[n-1], want) {
			t.Errorf("the reporter heard %q, want the last to be about %q", w.reasons, want)
		}
		w.reasons = nil
	}
	for i := range 3 {
		w.publish(t, fmt.Sprint("s", i), ",a,1,")
	}
	if len(w.reasons) > 0 {
		t.Error(w.reasons)
	}
	w.publish(t, "s3", ",a,1,")
	refused("limit of 3 time series")
	for _, between := range []func(testing.TB){w.checkpoint, w.crash, w.restart} {
		between(t)
		w.publish(t, "s3", ",a,1,")
		refused("limit of 3 time series")
	}
	if err := w.DeleteAll(account, "s1"); err != nil {
		t.Fatal(err)
	}
	w.publish(t, "s3", ",a,1,")
	if len(w.reasons) > 0 {
		t.Error("after a series was deleted:", w.reasons)
	}
	if got := w.Stats().Refused; got == 0 {
		t.Error("refusals are not counted")
	}

	w.clock.Store(testNow + 100_000)
	for i := range 51 {
		w.publish(t, "s0", fmt.Sprintf(",a,%d,", i))
	}
	refused("The series gets more points than the limit of 5 a second")
	w.clock.Add(1000) // five more
	for i := range 5 {
		w.publish(t, "s0", fmt.Sprintf(",a,%d,", i))
	}
	if len(w.reasons) > 0 {
		t.Error("after a second:", w.reasons)
	}
	for i := range 60 {
		w.publish(t, "s2", strings.Repeat(",a,1,\n", 1+i%2))
	}
	refused("The account gets more points than the limit of 10 a second")

	e := newAPI(t, w)
	rec := post(e, "/api/v4/data/s2", "text/csv", ",a,1,")
	if rec.Code != 429 || rec.Header().Get("Retry-After") != "1" {
		t.Errorf("bulk over the limit: %d %s", rec.Code, rec.Body)
	}

	// A limit in the middle of a request: what is said to be stored is, also after a crash, and nothing else.
	w = &world{dir: t.TempDir(), cfg: Config{AccountRate: 150}}
	w.open(t, storagetest.OpenIn(t, w.dir))
	rec = post(newAPI(t, w), "/api/v4/data/x", "text/csv", strings.Repeat("5,a,1,\n", 2500))
	if rec.Code != 429 || !strings.Contains(rec.Body.String(), "first 1000 points of this request are stored") {
		t.Errorf("bulk that meets the limit: %d %s", rec.Code, rec.Body)
	}
	w.crash(t)
	q := everything()
	q.Topic = "x"
	if got := w.all(t, q); len(got) != 1000 {
		t.Errorf("%d points are stored, not 1000", len(got))
	}
}

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*Config){
		func(c *Config) { c.KeepPoints = 1 }, func(c *Config) { c.KeepRollups = -1 }, func(c *Config) { c.AccountSeries = -1 },
		func(c *Config) { c.AccountRate = -1 }, func(c *Config) { c.SeriesRate = -1 },
	} {
		c := DefaultConfig()
		if change(&c); c.Validate() == nil {
			t.Errorf("%+v passes", c)
		}
	}
}
