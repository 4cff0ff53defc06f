package blueprint

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"xively/internal/auth"
	"xively/internal/fault"
)

// topicsWorld: account A has device D of template Sensor (temp, a/b; free sensors/#) and device E of template Other (hum).
type topicsWorld struct {
	*world
	sensor, d, e string
	dev, foreign auth.Principal    // D, and a device of account B
	names        *strings.Replacer // A! B! accounts, D! E! G! devices of A, G! of the template of D!, F! of B, N! nothing
}

func newTopicsWorld(t testing.TB) *topicsWorld {
	w := &topicsWorld{world: newWorld(t)}
	w.sensor = w.template(w.a, "Sensor", "temp:timeSeries", "a/b")
	w.must("tokenA", "PUT", "/devices/templates/"+w.sensor, map[string]any{"freeTopics": []string{"sensors/#", "room/+/t"}})
	w.d, w.e = w.device(w.a, w.sensor, "D"), w.device(w.a, w.template(w.a, "Other", "hum"), "E")
	b := w.device(w.b, w.template(w.b, "Sensor", "temp"), "B")
	w.dev = auth.Principal{Kind: auth.Device, AccountID: w.a.account, ID: w.d}
	w.foreign = auth.Principal{Kind: auth.Device, AccountID: w.b.account, ID: b}
	w.names = strings.NewReplacer("A!", w.a.account, "B!", w.b.account, "D!", w.d, "E!", w.e, "F!", b, "G!", w.device(w.a, w.sensor, "G"), "N!", uuid.NewString())
	return w
}

const (
	yes     = ""     // allowed
	own     = "own " // refused, naming the device's own channels
	refused = " "    // refused, whatever the reason
)

func TestMayPublish(t *testing.T) {
	w := newTopicsWorld(t)
	admin := w.a.p
	nobody := auth.Principal{Kind: auth.Anonymous, AccountID: w.a.account}
	rows := []struct {
		p     auth.Principal
		topic string
		want  string // "" = allowed, else what the refusal says
	}{
		{w.dev, "xi/blue/v1/A!/d/D!/temp", yes},
		{w.dev, "xi/blue/v1/A!/d/D!/a/b", yes},
		{w.dev, "xi/blue/v1/A!/d/D!/_log", yes},
		{w.dev, "xi/blue/v1/A!/d/D!/_set/fields", yes},
		{w.dev, "xi/blue/v1/A!/d/D!/_updates/fields", "only the platform publishes there"},
		{w.dev, "xi/blue/v1/A!/d/D!/_rejected", "only the platform publishes there"},
		{w.dev, "xi/blue/v1/A!/d/D!/hum", "its template “Sensor” has no channel of that name"},
		{w.dev, "xi/blue/v1/A!/d/D!/a", "has no channel of that name"},
		{w.dev, "xi/blue/v1/A!/d/D!/temp/", "has no channel of that name"},
		{w.dev, "xi/blue/v1/A!/d/E!/hum", own},
		{w.dev, "xi/blue/v1/A!/d/G!/temp", own},
		{w.dev, "xi/blue/v1/B!/d/F!/temp", own},
		{w.dev, "xi/blue/v1/B!/d/D!/temp", own},
		{w.dev, "xi/blue/v1/A!/e/D!/temp", "platform's"},
		{w.dev, "xi/ctrl/v1/D!/svc", yes},
		{w.dev, "xi/ctrl/v1/D!/cln", "messages to the device"},
		{w.dev, "xi/ctrl/v1/E!/svc", own},
		{w.dev, "xi/ctrl/v1/D!/svc/x", "platform's"},
		{w.dev, "sensors/1/t", yes},
		{w.dev, "room/1/t", yes},
		{w.dev, "room/1/2/t", "free topics"},
		{w.dev, "free", "free topics"},
		{w.dev, "$SYS/x", "$"},
		{w.dev, "XI/BLUE/v1/A!/d/D!/temp", "free topics"},
		{w.foreign, "xi/blue/v1/A!/d/D!/temp", own},
		{auth.Principal{Kind: auth.Device, AccountID: w.b.account, ID: w.d}, "xi/blue/v1/B!/d/D!/temp", "not in the directory"},
		{auth.Principal{Kind: auth.Device, AccountID: w.a.account, ID: "+"}, "xi/blue/v1/A!/d/+/temp", "not in the directory"},
		{auth.Principal{Kind: auth.Device, AccountID: w.a.account, ID: ""}, "xi/blue/v1/A!/d//temp", "not in the directory"},

		{admin, "xi/blue/v1/A!/d/D!/temp", yes},
		{admin, "xi/blue/v1/A!/d/E!/_log", yes},
		{admin, "xi/blue/v1/A!/d/E!/_updates/fields", "only the platform publishes there"},
		{admin, "xi/blue/v1/A!/d/D!/nothing", "has no channel of that name"},
		{admin, "xi/blue/v1/A!/d/N!/temp", "no device"},
		{admin, "xi/blue/v1/A!/d/F!/temp", "no device"},
		{admin, "xi/blue/v1/B!/d/F!/temp", "another account"},
		{admin, "xi/ctrl/v1/E!/cln", yes},
		{admin, "xi/ctrl/v1/F!/cln", "no device"},
		{admin, "xi/anything", "platform's"},
		{admin, "xi", "platform's"},
		{admin, "xii/anything", yes},
		{admin, "home/kitchen", yes},
		{admin, "$SYS/x", "$"},
		{auth.Principal{Kind: auth.AccountUser, AccountID: w.b.account, ID: admin.ID}, "x", "not in the directory"},

		{nobody, "home/kitchen", yes},
		{nobody, "xi/blue/v1/A!/d/D!/temp", "free topics only"},
		{nobody, "xi/x", refused},
		{nobody, "$SYS/x", refused},
		{auth.Principal{}, "home/kitchen", "nobody"},
		{auth.Principal{Kind: auth.EndUser, AccountID: w.a.account, ID: w.d}, "home", "endUser"},
		{auth.Principal{Kind: auth.Application, AccountID: w.a.account, ID: w.d}, "home", yes},
		{auth.Principal{Kind: auth.Application, AccountID: w.a.account, ID: w.d}, "xi/blue/v1/B!/d/F!/temp", "another account"},
	}
	for _, row := range rows {
		w.judge(t, "publish", row.p, row.topic, row.want, w.s.MayPublish)
	}
}

func TestMaySubscribe(t *testing.T) {
	w := newTopicsWorld(t)
	admin := w.a.p
	nobody := auth.Principal{Kind: auth.Anonymous, AccountID: w.a.account}
	rows := []struct {
		p      auth.Principal
		filter string
		want   string
	}{
		{w.dev, "xi/blue/v1/A!/d/D!/temp", yes},
		{w.dev, "xi/blue/v1/A!/d/D!/_updates/fields", yes},
		{w.dev, "xi/blue/v1/A!/d/D!/_set/fields", yes},
		{w.dev, "xi/blue/v1/A!/d/D!/#", yes},
		{w.dev, "xi/blue/v1/A!/d/D!/+", yes},
		{w.dev, "xi/blue/v1/A!/d/D!/a/+", yes},
		{w.dev, "xi/blue/v1/A!/d/D!/hum", "has no channel of that name"},
		{w.dev, "xi/blue/v1/A!/d/D!", refused},
		{w.dev, "xi/ctrl/v1/D!/cln", yes},
		{w.dev, "xi/ctrl/v1/D!/svc", refused},
		{w.dev, "xi/ctrl/v1/D!/+", refused},
		{w.dev, "xi/ctrl/v1/D!/#", refused},
		{w.dev, "xi/ctrl/v1/+/cln", refused},
		// A01: anything wider than the grant.
		{w.dev, "#", refused},
		{w.dev, "+/#", refused},
		{w.dev, "xi/#", refused},
		{w.dev, "xi/blue/v1/A!/#", refused},
		{w.dev, "xi/blue/v1/A!/d/#", refused},
		{w.dev, "xi/blue/v1/A!/d/+/temp", refused},
		{w.dev, "xi/blue/v1/A!/+/D!/temp", refused},
		{w.dev, "xi/blue/v1/+/d/D!/temp", refused},
		{w.dev, "+/blue/v1/A!/d/D!/temp", refused},
		{w.dev, "xi/blue/v1/A!/d/E!/hum", refused},
		{w.dev, "xi/blue/v1/A!/d/E!/#", refused},
		{w.dev, "xi/blue/v1/A!/d/G!/temp", refused},
		{w.dev, "xi/blue/v1/B!/d/D!/temp", refused},
		{w.dev, "sensors/#", yes},
		{w.dev, "sensors/+/x", yes},
		{w.dev, "room/+/t", yes},
		{w.dev, "room/#", "free topics"},
		{w.dev, "+/1/t", "free topics"},
		{w.dev, "$SYS/#", refused},
		{w.dev, "$share/g/sensors/x", refused},

		{admin, "#", yes},
		{admin, "+/#", yes},
		{admin, "xi/#", yes},
		{admin, "xi/blue/v1/A!/#", yes},
		{admin, "xi/blue/v1/+/d/+/temp", yes},
		{admin, "xi/blue/v1/A!/d/D!/temp", yes},
		{admin, "xi/blue/v1/A!/d/D!/#", yes},
		{admin, "xi/blue/v1/A!/d/D!/nothing", "has no channel of that name"},
		{admin, "xi/blue/v1/A!/d/N!/temp", "no device"},
		{admin, "xi/blue/v1/B!/#", "another account"},
		{admin, "xi/blue/v1/B!/d/F!/temp", "another account"},
		{admin, "xi/blue/v1/B!/d/F!/#", "another account"},
		{admin, "xi/blue/v1/B!", refused},
		{admin, "xi/ctrl/v1/D!/svc", yes},
		{admin, "xi/ctrl/v1/+/svc", yes},
		{admin, "xi/ctrl/v1/F!/svc", "no device"},
		{admin, "home/#", yes},
		{admin, "$SYS/#", yes},
		{admin, "$SYS/broker/+", yes},
		{admin, "$share/g/#", refused},
		{admin, "$other", refused},

		{nobody, "#", yes},
		{nobody, "+/x", yes},
		{nobody, "home/#", yes},
		{nobody, "xi/#", "free topics only"},
		{nobody, "xi", "free topics only"},
		{nobody, "$SYS/#", "free topics only"},
		{auth.Principal{Kind: auth.EndUser, AccountID: w.a.account, ID: w.d}, "home", "endUser"},
	}
	for _, row := range rows {
		w.judge(t, "subscribe", row.p, row.filter, row.want, w.s.MaySubscribe)
	}
}

func TestMayReceive(t *testing.T) {
	w := newTopicsWorld(t)
	admin := w.a.p
	nobody := auth.Principal{Kind: auth.Anonymous, AccountID: w.a.account}
	rows := []struct {
		p     auth.Principal
		topic string
		want  string
	}{
		{w.dev, "xi/blue/v1/A!/d/D!/temp", yes},
		{w.dev, "xi/blue/v1/A!/d/D!/_updates/fields", yes},
		{w.dev, "xi/blue/v1/A!/d/D!/gone", "has no channel of that name"},
		{w.dev, "xi/blue/v1/A!/d/E!/hum", own},
		{w.dev, "xi/blue/v1/A!/d/G!/temp", own},
		{w.dev, "xi/blue/v1/B!/d/D!/temp", own},
		{w.dev, "xi/ctrl/v1/G!/cln", own},
		{w.dev, "xi/ctrl/v1/D!/cln", yes},
		{w.dev, "xi/ctrl/v1/D!/svc", refused},
		{w.dev, "sensors/x", yes},
		{w.dev, "home/x", refused},
		{admin, "xi/blue/v1/A!/d/E!/hum", yes},
		{admin, "xi/ctrl/v1/E!/svc", yes},
		{admin, "home/x", yes},
		{admin, "$SYS/clients", yes},
		{admin, "xi/blue/v1/B!/d/F!/temp", "another account"},
		{nobody, "home/x", yes},
		{nobody, "xi/blue/v1/A!/d/D!/temp", refused},
		{nobody, "xi/ctrl/v1/D!/cln", refused},
		{nobody, "$SYS/clients", refused},
		{auth.Principal{}, "home/x", refused},
	}
	for _, row := range rows {
		w.judge(t, "receive", row.p, row.topic, row.want, w.s.MayReceive)
	}
}

func (w *topicsWorld) judge(t *testing.T, what string, p auth.Principal, topic, want string, ask func(auth.Principal, string) error) {
	t.Helper()
	err := ask(p, w.names.Replace(topic))
	if want == yes {
		if err != nil {
			t.Errorf("%s by %s on %s: refused (%v), want allowed", what, p, topic, err)
		}
		return
	}
	if fault.KindOf(err) != fault.Forbidden || !strings.Contains(err.Error(), want) {
		t.Errorf("%s by %s on %s: got %v, want Forbidden with %q", what, p, topic, err, want)
	}
}

// TestEpoch: an answer that becomes wrong is told by Epoch, and the next answer is right; what cannot make one wrong
// leaves the epoch alone.
func TestEpoch(t *testing.T) {
	w := newTopicsWorld(t)
	topic := w.names.Replace("xi/blue/v1/A!/d/D!/temp")
	channel := results(w.must("tokenA", "GET", "/channels/templates?name=temp", nil))[0]["id"].(string)
	other := w.template(w.a, "Third", "hum")
	organization := results(w.must("tokenA", "GET", "/organizations", nil))[0]["id"]
	steps := []struct {
		name, method, path string
		body               any
		changes, allowed   bool
	}{
		{"device renamed", "PUT", "/devices/" + w.d, map[string]any{"name": "x"}, false, true},
		{"another device made", "POST", "/devices", map[string]any{"deviceTemplateId": other, "serialNumber": "new"}, false, true},
		{"credential made", "POST", "/access/mqtt-credentials", map[string]any{"entityId": w.d, "entityType": "device"}, false, true},
		{"device put into an organization", "PUT", "/devices/" + w.d, map[string]any{"organizationId": organization}, true, true},
		{"channel renamed", "PUT", "/channels/templates/" + channel, map[string]any{"name": "t"}, true, false},
		{"channel named back", "PUT", "/channels/templates/" + channel, map[string]any{"name": "temp"}, true, true},
		{"channel deleted", "DELETE", "/channels/templates/" + channel, nil, true, false},
		{"channel recovered", "POST", "/channels/templates/" + channel + "/recover", nil, true, true},
		{"template exchanged", "PUT", "/devices/" + w.d, map[string]any{"deviceTemplateId": other}, true, false},
		{"template given back", "PUT", "/devices/" + w.d, map[string]any{"deviceTemplateId": w.sensor}, true, true},
		{"device deleted", "DELETE", "/devices/" + w.d, nil, true, false},
		{"device recovered", "POST", "/devices/" + w.d + "/recover", nil, true, true},
	}
	for _, step := range steps {
		_ = w.s.MayPublish(w.dev, topic) // something to go stale
		w.s.Channel(w.a.account, topic)
		before := w.s.Epoch()
		w.must("tokenA", step.method, step.path, step.body)
		if changed := w.s.Epoch() != before; changed != step.changes {
			t.Errorf("%s: epoch changed: %v, want %v", step.name, changed, step.changes)
		}
		if err := w.s.MayPublish(w.dev, topic); (err == nil) != step.allowed {
			t.Errorf("%s: publish: %v, want allowed: %v", step.name, err, step.allowed)
		}
		if _, ok := w.s.Channel(w.a.account, topic); ok != step.allowed {
			t.Errorf("%s: Channel says %v, want %v", step.name, ok, step.allowed)
		}
	}
}

func TestChannel(t *testing.T) {
	w := newTopicsWorld(t)
	topic := w.names.Replace("xi/blue/v1/A!/d/D!/temp")
	want := ChannelInfo{AccountID: w.a.account, DeviceID: w.d, Channel: "temp", PersistenceType: TimeSeries, DeviceTemplateID: w.sensor}
	for range 2 { // from the store, then from memory
		if got, ok := w.s.Channel(w.a.account, topic); !ok || got != want {
			t.Errorf("Channel(%s) = %+v, %v; want %+v", topic, got, ok, want)
		}
	}
	for _, name := range []string{"_log", "_set/fields"} {
		if got, ok := w.s.Channel(w.a.account, channelTopic(w.a.account, w.d, name)); !ok || got.PersistenceType != Simple || got.Channel != name {
			t.Errorf("Channel(…/%s) = %+v, %v", name, got, ok)
		}
	}
	if _, ok := w.s.Channel(w.b.account, topic); ok {
		t.Error("account B is told about account A's channel")
	}
	if _, ok := w.s.Channel(w.b.account, channelTopic(w.b.account, w.d, "temp")); ok {
		t.Error("account A's device is found under account B")
	}
}

// TestUnreadableStore: what could not be judged is not allowed, and does not look like a rule.
func TestUnreadableStore(t *testing.T) {
	w := newTopicsWorld(t)
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"device publishes":  w.s.MayPublish(w.dev, "sensors/x"),
		"device subscribes": w.s.MaySubscribe(w.dev, "sensors/x"),
		"user receives":     w.s.MayReceive(w.a.p, "home"),
		"user publishes":    w.s.MayPublish(w.a.p, "home"),
	} {
		if fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%s with the store closed: %v, want Unavailable", name, err)
		}
	}
	if _, err := w.login("", w.d, "x"); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("sign in with the store closed: %v, want Unavailable", err)
	}
}

func TestViewCacheIsBounded(t *testing.T) {
	w := newWorld(t)
	w.s.views.most = 4
	template := w.template(w.a, "Sensor", "temp")
	for i := range 10 {
		id := w.device(w.a, template, string(rune('a'+i)))
		if _, ok := w.s.Channel(w.a.account, channelTopic(w.a.account, id, "temp")); !ok {
			t.Fatalf("device %d has no channel", i)
		}
		w.s.Channel(w.a.account, channelTopic(w.a.account, uuid.NewString(), "temp"))
		if n := len(w.s.views.devices) + len(w.s.views.reaches) + len(w.s.views.chains); n > 4 {
			t.Fatalf("%d cached, want at most 4", n)
		}
	}
}

func FuzzParseTopic(f *testing.F) {
	for _, s := range []string{"", "xi", "xi/", "xi/blue/v1/A/d/D/temp", "xi/blue/v1/A/d/D/_set/fields", "xi/blue/v1//d//x", "xi/blue/v1/A/d/D/",
		"xi/ctrl/v1/D/cln", "xi/ctrl/v1/D/svc", "xi/ctrl/v1/D/", "$SYS/x", "a/b", "xi/#", "+/#", "/xi"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := parseTopic(s)
		var back string
		switch p.kind {
		case channelOf:
			back = channelTopic(p.account, p.device, p.channel)
		case controlOf:
			back = controlRoot + p.device + "/" + p.channel
		case freeTopic:
			if s == "xi" || strings.HasPrefix(s, "xi/") || strings.HasPrefix(s, "$") {
				t.Fatalf("%q is taken for a free topic", s)
			}
			return
		default:
			return
		}
		if back != s {
			t.Fatalf("%q reads as %+v, which is %q", s, p, back)
		}
		if strings.ContainsRune(p.account+p.device, '/') {
			t.Fatalf("%q: an id with a slash: %+v", s, p)
		}
	})
}

func BenchmarkMayPublish(b *testing.B) {
	w := newTopicsWorld(b)
	topic := w.names.Replace("xi/blue/v1/A!/d/D!/temp")
	b.ReportAllocs()
	for b.Loop() {
		if err := w.s.MayPublish(w.dev, topic); err != nil {
			b.Fatal(err)
		}
	}
}
