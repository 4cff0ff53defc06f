package blueprint

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"xively/internal/auth"
	"xively/storage"
	"xively/storage/storagetest"
)

// post is what was published, in order.
type post struct {
	mu       sync.Mutex
	messages []string // "<channel> <payload>"
}

func (p *post) publish(account, topic string, payload []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages = append(p.messages, parseTopic(topic).channel+" "+string(payload))
	return nil
}

func (p *post) take() []string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.messages
	p.messages = nil
	return m
}

// send does what the broker does with a publish to _set/fields, and returns when it would be acknowledged.
func (w *world) send(from auth.Principal, device, payload string) {
	w.t.Helper()
	topic := channelTopic(from.AccountID, device, setFields)
	sink := w.s.Sink(from.AccountID, topic)
	if sink == nil {
		w.t.Fatal("no sink for _set/fields")
	}
	w.s.Pace(from.AccountID, topic)()
	b := w.db.Journal().Begin()
	sink(from, topic, []byte(payload), b)
	lsn := b.Append()
	b.End()
	if err := w.db.Journal().Wait(w.t.Context(), lsn); err != nil {
		w.t.Fatal(err)
	}
}

func TestReflection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		if err := h.s.Reflect(); err != nil {
			t.Fatal(err)
		}
		var p post
		h.s.UsePublisher(p.publish)
		kitchen := auth.Principal{Kind: auth.Device, AccountID: h.a.account, ID: h.kitchen}
		own := channelTopic(h.a.account, h.kitchen, "")
		for _, filter := range []string{own + "temp", "#", own + "#", "xi/blue/v1/+/d/" + h.kitchen + "/_updates/fields"} {
			h.s.Subscribed(kitchen, filter)
		}
		if got := p.take(); got != nil {
			t.Errorf("state sent for other filters: %v", got)
		}
		for _, filter := range []string{own + updatedFields, own + updatedFields} {
			h.s.Subscribed(kitchen, filter)
			got := p.take()
			if len(got) != 1 || !strings.Contains(got[0], `"serialNumber":"S-1"`) || !strings.Contains(got[0], `"connected":false`) || strings.Contains(got[0], "channels") {
				t.Errorf("full state after %s: %v", filter, got)
			}
		}
		step := func(what string, want ...string) {
			t.Helper()
			if got := p.take(); strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s:\n got %s\nwant %s", what, got, want)
			}
		}
		h.must("tokenA", "PUT", "/devices/"+h.kitchen, map[string]any{"name": "Küche", "latitude": 1.5})
		step("a change over HTTP", `_updates/fields {"state":{"latitude":1.5,"name":"Küche"}}`)
		h.must("tokenA", "PUT", "/devices/"+h.kitchen, map[string]any{"latitude": nil})
		step("a member taken away", `_updates/fields {"state":{"latitude":null}}`)
		h.send(kitchen, h.kitchen, `{"state":{"name":"Kitchen","firmwareVersion":"2.0","version":"zz","connected":true}}`)
		step("a change by the device", `_updates/fields {"state":{"firmwareVersion":"2.0","name":"Kitchen"}}`)
		h.send(h.tokens["ann"], h.kitchen, `{"state":{"name":"Ann's"}}`)
		step("a change by an end user", `_updates/fields {"state":{"name":"Ann's"}}`)
		now := time.Now()
		h.s.SetConnected(h.kitchen, true, now, "203.0.113.9")
		step("a connection", fmt.Sprintf(`_updates/fields {"state":{"connected":true,"externalIp":"203.0.113.9","lastConnected":"%s"}}`, timeText(now.UnixMilli())))
		h.s.SetConnected(h.kitchen, false, now, "")
		step("its end", `_updates/fields {"state":{"connected":false}}`)

		for _, row := range []struct {
			from         auth.Principal
			payload, say string
		}{
			{kitchen, `{"state":{"color":"blue"}}`, "no such field"},
			{kitchen, `{"state":{"name":"x","latitude":91}}`, `"field":"latitude"`},
			{kitchen, `{"state":{"organizationId":"` + h.other + `"}}`, "another organization"},
			{kitchen, `{"state":{"deviceTemplateId":"` + h.home + `"}}`, "another template"},
			{kitchen, `{"state":{"serialNumber":"S-2"}}`, "already a device"},
			{kitchen, `nonsense`, "form"},
			{kitchen, `[]`, "form"},
			{h.tokens["bob"], `{"state":{"name":"Bob's"}}`, "no device"},
		} {
			h.send(row.from, h.kitchen, row.payload)
			got := p.take()
			if len(got) != 1 || !strings.HasPrefix(got[0], rejected+" ") || !strings.Contains(got[0], row.say) {
				t.Errorf("%s: got %v, want a rejection with %s", row.payload, got, row.say)
				continue
			}
			var body struct {
				Error struct{ Code, Message string }
			}
			if err := json.Unmarshal([]byte(strings.TrimPrefix(got[0], rejected+" ")), &body); err != nil || body.Error.Message == "" || body.Error.Code == "" {
				t.Errorf("rejection %s: %v", got[0], err)
			}
		}
		if name := h.must("tokenA", "GET", "/devices/"+h.kitchen, nil)["name"]; name != "Ann's" {
			t.Errorf("after refusals the name is %v", name)
		}
	})
}

// TestSetFieldsSurviveACrash: what was acknowledged is applied after a kill, once, and does not undo a later change.
func TestSetFieldsSurviveACrash(t *testing.T) {
	dir := t.TempDir()
	db := storagetest.OpenIn(t, dir)
	h := homeIn(newWorldIn(t, db))
	if err := h.s.Reflect(); err != nil {
		t.Fatal(err)
	}
	kitchen := auth.Principal{Kind: auth.Device, AccountID: h.a.account, ID: h.kitchen}
	h.send(kitchen, h.kitchen, `{"state":{"name":"one"}}`) // no publisher: taken, not applied
	h.send(kitchen, h.kitchen, `{"state":{"name":"two","firmwareVersion":"9"}}`)
	crashed := storagetest.Crash(t, db, dir)
	for round := range 2 {
		db := storagetest.OpenIn(t, crashed)
		s := New(Config{}, db, storagetest.Log(t))
		if err := s.Reflect(); err != nil {
			t.Fatal(err)
		}
		var p post
		s.UsePublisher(p.publish)
		waitFor(t, func() bool { s.setter.mu.Lock(); defer s.setter.mu.Unlock(); return len(s.setter.waiting) == 0 })
		o := stored(t, s, h.kitchen)
		if want := []string{"two", "later"}[round]; o.text("name") != want || o.text("firmwareVersion") != "9" {
			t.Errorf("start %d: name %q, firmware %q, want %q", round+1, o.text("name"), o.text("firmwareVersion"), want)
		}
		err := s.update(h.a.p, func(t *txn) error {
			_, err := t.update(t.byName["device"], h.kitchen, "", map[string]any{"name": "later"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		crashed = storagetest.Crash(t, db, crashed)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestSetFieldsHoldPublishersBack: more requests than are kept wait with their publishers, and none is lost.
func TestSetFieldsHoldPublishersBack(t *testing.T) {
	for _, bound := range []string{"requests", "bytes"} {
		t.Run(bound, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { holdBack(t, bound == "bytes") }) })
	}
}

func holdBack(t *testing.T, byBytes bool) {
	h := newHome(t)
	h.s.setter.most = 3
	payload := `{"state":{"firmwareVersion":"%d"}}`
	if byBytes {
		h.s.setter.most = maxSetsWaiting
		payload += strings.Repeat(" ", maxSetBytes/3)
	}
	if err := h.s.Reflect(); err != nil {
		t.Fatal(err)
	}
	kitchen := auth.Principal{Kind: auth.Device, AccountID: h.a.account, ID: h.kitchen}
	acknowledged := make(chan int, 10)
	go func() {
		for i := range 10 {
			h.send(kitchen, h.kitchen, fmt.Sprintf(payload, i))
			acknowledged <- i
		}
	}()
	synctest.Wait()
	if n := len(acknowledged); n != 3 {
		t.Errorf("%d were acknowledged while nothing was applied, want 3", n)
	}
	if s := h.s.Stats(); s.SetsWaiting != 3 || s.SetsPaced != 1 {
		t.Errorf("stats %+v", s)
	}
	var p post
	h.s.UsePublisher(p.publish)
	var told []string
	for range 10 {
		<-acknowledged
	}
	told = p.take()
	if len(told) == 0 || !strings.Contains(told[len(told)-1], `"firmwareVersion":"9"`) {
		t.Errorf("told %v", told)
	}
	if v := stored(t, h.s, h.kitchen).text("firmwareVersion"); v != "9" {
		t.Errorf("firmwareVersion is %q after ten acknowledged changes", v)
	}
	list := h.must("tokenA", "GET", "/audit?objectId="+h.kitchen+"&action=update", nil)
	if n := len(results(list)); n != 10 {
		t.Errorf("%d changes were applied, want all 10", n)
	}
}

// TestSetFieldsGoOnAfterAFault: a request that meets a fault of the server's own is refused by itself.
func TestSetFieldsGoOnAfterAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		if err := h.s.Reflect(); err != nil {
			t.Fatal(err)
		}
		id, _ := parseID(h.lamp)
		err := h.db.Update(func(tx *storage.Tx) error { // what cannot be read
			tx.Bucket(h.s.byName["device"].bucket()).Put(id[:], []byte("{"))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		kitchen := auth.Principal{Kind: auth.Device, AccountID: h.a.account, ID: h.kitchen}
		h.send(kitchen, h.kitchen, `{"state":{"name":"one"}}`)
		h.send(h.a.p, h.lamp, `{"state":{"name":"two"}}`)
		h.send(kitchen, h.kitchen, `{"state":{"firmwareVersion":"3"}}`)
		var p post
		h.s.UsePublisher(p.publish)
		got := strings.Join(p.take(), "\n")
		if !strings.Contains(got, rejected+` {"error":{"code":"Conflict","details":[{"message":"The change met an internal error`) {
			t.Errorf("told %s", got)
		}
		if o := stored(t, h.s, h.kitchen); o.text("name") != "one" || o.text("firmwareVersion") != "3" {
			t.Errorf("the others' changes: %v", o.Values)
		}
	})
}

func stored(t *testing.T, s *Service, device string) (o *object) {
	t.Helper()
	err := s.db.View(func(tx *storage.Tx) (err error) {
		o, err = load(tx, s.byName["device"], device)
		return err
	})
	if err != nil || o == nil {
		t.Fatalf("device %s: %v, %v", device, o, err)
	}
	return o
}

// waitFor waits for what another goroutine will do soon.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for range 5000 {
		if done() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("waited 5 s in vain")
}
