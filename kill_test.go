package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"xively/broker/brokertest"
	"xively/broker/packet"
	"xively/storage"
)

var (
	killRounds = flag.Int("rounds", 50, "how often TestKill kills the server")
	killSeed   = flag.Uint64("seed", 0, "seed of TestKill, to run a failure again; 0: from the clock")
)

// TestKill kills the server again and again in the middle of traffic, with checkpoints in between, and compares what was
// acknowledged with what is there: messages of QoS 1 and 2 to a persistent session that is sometimes away, points of a
// time-series channel, objects made over REST.
func TestKill(t *testing.T) {
	rounds, seed := *killRounds, *killSeed
	if testing.Short() {
		rounds = min(rounds, 4)
	}
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("%d rounds, seed %d", rounds, seed)
	random := rand.New(rand.NewPCG(seed, 0))

	dir, accounts := newData(t, testEmail)
	k := newKillTest(t, dir, accounts[0])
	for round := range rounds {
		p := spawn(t, dir, killSettings...)
		if round%10 == 9 { // in the middle of a start
			time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond)
			p.kill()
			continue
		}
		p.mustReady()
		k.round(p, round%3 != 2, time.Duration(20+random.IntN(300))*time.Millisecond, p.kill)
		if t.Failed() {
			return
		}
	}
	for _, wrong := range k.check(dir) {
		t.Error(wrong)
	}
}

// Many checkpoints, and room for what a session that is away misses.
var killSettings = []string{"storage.checkpoint_bytes=1MiB", "broker.queue_messages=30000", "broker.queue_bytes=256MiB"}

type killTest struct {
	t      *testing.T
	user   string // an account user's id and secret
	secret string
	token  string
	device testDevice
	tls    *tls.Config

	one        publisher1
	two        publisher2
	subscriber subscriber
	made       []string // serial numbers of devices that REST said were created
	template   string

	mu    sync.Mutex
	wrong []string // what was promised and is not so
}

func (k *killTest) report(format string, args ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wrong = append(k.wrong, fmt.Sprintf(format, args...))
}

func newKillTest(t *testing.T, dir string, account madeAccount) *killTest {
	s := start(t, dir, killSettings...)
	k := &killTest{t: t, user: account.AccountUserID, token: s.signIn(testEmail), tls: &tls.Config{RootCAs: s.tls.RootCAs, ServerName: "localhost"}}
	k.template = s.template(k.token, account.AccountID)
	k.device = s.device(k.token, account.AccountID, k.template, "killed")
	k.secret = s.secret(k.token, account.AccountID, k.user, "accountUser")
	k.one = publisher1{topic: k.device.topic("temp"), acked: map[int]bool{}}
	k.two = publisher2{topic: k.device.topic("control"), done: map[int]bool{}}
	k.subscriber = subscriber{one: map[int]int{}, two: map[int]int{}, held: map[uint16]bool{}}
	address := fmt.Sprintf("localhost:%d", port(s.listeners.mqtts))
	c := k.dial(address, "subscriber", k.user, k.secret, false)
	c.Send(packet.AppendSubscribe(nil, 1, []packet.Subscription{{Filter: []byte(k.one.topic), QoS: 1}, {Filter: []byte(k.two.topic), QoS: 2}})...)
	c.Expect(0x90, 4, 0, 1, 1, 2)
	k.dial(address, "publisher", k.user, k.secret, false)
	s.stop()
	return k
}

// dial returns nil when the server is gone already. A persistent session must be there.
func (k *killTest) dial(address, clientID, user, secret string, wantPresent bool) *brokertest.Client {
	nc, err := tls.Dial("tcp", address, k.tls)
	if err != nil {
		return nil
	}
	return k.connect(nc, clientID, user, secret, wantPresent)
}

// connect is dial on a connection that there is.
func (k *killTest) connect(nc net.Conn, clientID, user, secret string, wantPresent bool) *brokertest.Client {
	c := brokertest.NewClient(k.t, nc)
	c.Send(packet.AppendConnect(nil, &packet.Connect{ProtocolName: []byte("MQTT"), Level: 4, ClientID: []byte(clientID),
		CleanSession: clientID == user, HasUsername: true, Username: []byte(user), HasPassword: true, Password: []byte(secret), KeepAlive: 60})...)
	ack := c.Next()
	if ack == nil {
		return nil
	}
	present, code, err := packet.DecodeConnack(ack)
	if err != nil || code != 0 || wantPresent && !present {
		k.report("CONNECT of %s: session present %v, code %d, %v", clientID, present, code, err)
		return nil
	}
	return c
}

// round lets everybody work on p until cut ends it after so long.
func (k *killTest) round(p *process, online bool, after time.Duration, cut func()) {
	var workers sync.WaitGroup
	work := func(clientID, user, secret string, persistent bool, fn func(*brokertest.Client)) {
		workers.Go(func() {
			if c := k.dial(p.mqtts, clientID, user, secret, persistent); c != nil {
				fn(c)
				_ = c.Conn.Close()
			}
		})
	}
	work(k.device.id, k.device.id, k.device.secret, false, k.one.publish)
	work("publisher", k.user, k.secret, true, k.two.publish)
	if online {
		work("subscriber", k.user, k.secret, true, func(c *brokertest.Client) { k.subscriber.receive(k.t, c, nil) })
	}
	workers.Go(func() { k.createDevices(p.rest) })
	time.Sleep(after)
	cut()
	workers.Wait()
}

// createDevices makes devices over REST until the server is gone.
func (k *killTest) createDevices(url string) {
	for {
		serial := strconv.Itoa(len(k.made)) + "-" + strconv.Itoa(rand.Int())
		body, _ := json.Marshal(object{"accountId": k.device.account, "deviceTemplateId": k.template, "serialNumber": serial})
		req, err := http.NewRequest("POST", url+"/api/v1/devices", bytes.NewReader(body))
		if err != nil {
			k.t.Error(err)
			return
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+k.token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			k.made = append(k.made, serial)
		}
	}
}

// A publisher1 publishes numbers at QoS 1 and never again what was not acknowledged.
type publisher1 struct {
	topic string
	next  int
	acked map[int]bool
}

const window = 8 // messages under way at once

func (p *publisher1) publish(c *brokertest.Client) {
	for {
		var out []byte
		for i := range window {
			// Padding, so that the journal needs a checkpoint now and then.
			payload := ",," + strconv.Itoa(p.next+i) + "," + strings.Repeat("x", 200)
			out = append(out, brokertest.Publish(p.topic, payload, 1, uint16(i+1))...)
		}
		first := p.next
		p.next += window
		c.Send(out...)
		for range window {
			ack := c.Next()
			if ack == nil {
				return
			}
			if id, err := packet.DecodeID(ack); err == nil && packet.TypeOf(ack[0]) == packet.PUBACK {
				p.acked[first+int(id)-1] = true
			}
		}
	}
}

// A publisher2 publishes numbers at QoS 2 and remembers, as a client must, what is under way.
type publisher2 struct {
	topic   string
	next    int
	pending []sent
	done    map[int]bool
}

type sent struct {
	n        int
	id       uint16
	received bool // PUBREC came: the message is the server's now
}

func (p *publisher2) publish(c *brokertest.Client) { p.run(c, true) }

// run resumes what is under way [MQTT-4.4.0-1], then publishes more, or with !more ends when nothing is under way.
func (p *publisher2) run(c *brokertest.Client, more bool) {
	for _, s := range p.pending {
		if s.received {
			c.Send(packet.AppendAck(nil, packet.PUBREL, s.id)...)
		} else {
			c.Send(p.encode(s, true)...)
		}
	}
	for {
		for more && len(p.pending) < window {
			s := sent{n: p.next, id: uint16(p.next%60000) + 1}
			p.next++
			p.pending = append(p.pending, s)
			c.Send(p.encode(s, false)...)
		}
		if len(p.pending) == 0 {
			return
		}
		ack := c.Next()
		if ack == nil {
			return
		}
		id, _ := packet.DecodeID(ack)
		i := slices.IndexFunc(p.pending, func(s sent) bool { return s.id == id })
		switch kind := packet.TypeOf(ack[0]); {
		case kind == packet.PUBREC && i >= 0:
			p.pending[i].received = true
			c.Send(packet.AppendAck(nil, packet.PUBREL, id)...)
		case kind == packet.PUBCOMP && i >= 0:
			p.done[p.pending[i].n] = true
			p.pending = slices.Delete(p.pending, i, i+1)
		}
	}
}

func (p *publisher2) encode(s sent, dup bool) []byte {
	return packet.AppendPublish(nil, &packet.Publish{Dup: dup, QoS: 2, Topic: []byte(p.topic), Payload: []byte(strconv.Itoa(s.n)), PacketID: s.id})
}

// A subscriber counts what it receives, by the rules of a client that keeps its state.
type subscriber struct {
	one, two   map[int]int     // number: how often
	held       map[uint16]bool // QoS 2 messages received and not yet released
	first      [3]int          // by QoS: the last number received for the first time
	outOfOrder []string

	connections, messages int // so far, and since the last connection began
}

// receive works until the connection ends or, at a moment when nothing comes, enough says so. Ten seconds of silence
// are the end, too.
func (s *subscriber) receive(t *testing.T, c *brokertest.Client, enough func() bool) {
	s.connections++
	s.messages = 0
	for {
		b := c.Try(200 * time.Millisecond)
		if b == nil {
			if enough != nil && enough() {
				return
			}
			if b = c.Next(); b == nil {
				return
			}
		}
		switch packet.TypeOf(b[0]) {
		case packet.PUBLISH:
			var p packet.Publish
			if err := p.Decode(b); err != nil {
				t.Error(err)
				return
			}
			s.message(t, &p)
			kind := packet.PUBACK
			if p.QoS == 2 {
				kind = packet.PUBREC
			}
			c.Send(packet.AppendAck(nil, kind, p.PacketID)...)
		case packet.PUBREL:
			id, _ := packet.DecodeID(b)
			delete(s.held, id)
			c.Send(packet.AppendAck(nil, packet.PUBCOMP, id)...)
		}
	}
}

func (s *subscriber) message(t *testing.T, p *packet.Publish) {
	text := strings.Split(strings.TrimLeft(string(p.Payload), ","), ",")[0]
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Errorf("received %q", p.Payload)
		return
	}
	s.messages++
	counts := s.one
	if p.QoS == 2 {
		if s.held[p.PacketID] { // the same message again: it counts once
			return
		}
		s.held[p.PacketID] = true
		counts = s.two
	}
	if counts[n]++; counts[n] == 1 {
		if last := s.first[p.QoS]; n < last {
			s.outOfOrder = append(s.outOfOrder, fmt.Sprintf("QoS %d: %d after %d, as message %d of connection %d (id %d, dup %v)",
				p.QoS, n, last, s.messages, s.connections, p.PacketID, p.Dup))
		}
		s.first[p.QoS] = n
	}
}

// check finishes what is under way, compares, and returns all that is wrong.
func (k *killTest) check(dir string) []string {
	t := k.t
	s := start(t, dir, killSettings...)
	address := fmt.Sprintf("localhost:%d", port(s.listeners.mqtts))
	c := k.dial(address, "publisher", k.user, k.secret, true)
	if c == nil {
		k.report("the publisher cannot connect")
		return k.wrong
	}
	k.two.run(c, false)
	if len(k.two.pending) > 0 {
		k.report("%d QoS 2 messages could not be finished: %v", len(k.two.pending), k.two.pending)
	}
	c = k.dial(address, "subscriber", k.user, k.secret, true)
	if c == nil {
		k.report("the subscriber cannot connect")
		return k.wrong
	}
	k.subscriber.receive(t, c, func() bool {
		return len(missing(k.one.acked, k.subscriber.one)) == 0 && len(missing(k.two.done, k.subscriber.two)) == 0 && len(k.subscriber.held) == 0
	})
	t.Logf("acknowledged: %d at QoS 1, %d at QoS 2, %d devices; sent: %d, %d; received: %d, %d",
		len(k.one.acked), len(k.two.done), len(k.made), k.one.next, k.two.next, len(k.subscriber.one), len(k.subscriber.two))

	report := func(what string, list []int) {
		if len(list) > 0 {
			k.report("%s: %d, the first are %v", what, len(list), list[:min(len(list), 10)])
		}
	}
	report("QoS 1 acknowledged and not received", missing(k.one.acked, k.subscriber.one))
	report("QoS 2 acknowledged and not received", missing(k.two.done, k.subscriber.two))
	report("QoS 2 received more than once", repeated(k.subscriber.two))
	if n := len(k.subscriber.outOfOrder); n > 0 {
		k.report("out of order: %d, the first are\n%s", n, strings.Join(k.subscriber.outOfOrder[:min(n, 5)], "\n"))
	}
	stored := map[int]int{}
	for _, p := range s.points(k.token, k.one.topic) {
		n, _ := p["numericValue"].(float64)
		stored[int(n)]++
	}
	report("points acknowledged and not stored", missing(k.one.acked, stored))
	report("points stored more than once", repeated(stored))

	devices := map[string]bool{}
	for page := 1; ; page++ {
		answer := s.must(k.token, "GET", "/api/v1/devices"+query("pageSize", "1000", "page", strconv.Itoa(page)), nil, "devices")
		rows := objects(answer["results"])
		for _, row := range rows {
			devices[cell(row["serialNumber"])] = true
		}
		if len(rows) < 1000 {
			break
		}
	}
	for _, serial := range k.made {
		if !devices[serial] {
			k.report("device %s was created and is not there", serial)
		}
	}
	s.stop()
	if _, err := storage.Verify(dir); err != nil {
		k.report("verify: %v", err)
	}
	return k.wrong
}

// missing returns the numbers of want that have no count, in order.
func missing(want map[int]bool, counts map[int]int) (list []int) {
	for n := range want {
		if counts[n] == 0 {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

func repeated(counts map[int]int) (list []int) {
	for n, count := range counts {
		if count > 1 {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}
