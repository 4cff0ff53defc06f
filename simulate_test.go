package main

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"xively/internal/dial"
	"xively/internal/simulate"
)

// TestSimulate runs the command twice on one account, the past first, and then lets devices report until their messages
// have come all the way: the second run knows the devices of the first.
func TestSimulate(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	sh := newShell(t, s)
	sh.login()
	for _, new := range []string{"devices: 30, 30 of them new", "devices: 30, 0 of them new"} {
		if _, told := sh.run(exitOK, "", "simulate", "--devices", "30", "--backfill", "1d", "--log-entries", "300", "--once"); !strings.Contains(told, new) {
			t.Errorf("told %q, wanted %q", told, new)
		}
	}
	token := s.signIn(testEmail)
	yesterday := url.QueryEscape(time.Now().Add(-25 * time.Hour).Format(time.RFC3339))
	hour := url.QueryEscape(time.Now().Add(-time.Hour).Format(time.RFC3339))
	found := s.must(token, "GET", "/api/v1/logs?from="+yesterday+"&to="+hour+"&size=1", nil, "logs")
	if n := found["meta"].(object)["count"].(float64); n < 500 {
		t.Errorf("%v log entries more than an hour old, wanted those of two runs", n)
	}

	trust := s.tls.Clone()
	dial, err := dial.URL(s.url("mqtts", ""), trust, simulate.ReadBuffer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := (&serverFlags{}).signedIn()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan simulate.Figures, 1)
	began := s.timeseries.Stats().Points
	go func() {
		done, err := simulate.Run(ctx, simulator{*c}, simulate.Options{Account: accounts[0].AccountID, Seed: 1, Devices: 30, Interval: 100 * time.Millisecond, Dial: dial})
		if err != nil {
			t.Error(err)
		}
		ended <- done
	}()
	for s.timeseries.Stats().Points < began+1000 {
		select {
		case done := <-ended:
			t.Fatalf("ended early: %+v", done)
		case <-time.After(10 * time.Millisecond):
		}
	}
	cancel()
	if done := <-ended; done.Connects < 25 || done.Acknowledged == 0 {
		t.Errorf("done: %+v", done)
	}
}
