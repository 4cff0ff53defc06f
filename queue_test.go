package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"xively/broker/brokertest"
	"xively/broker/packet"
)

// Sizes of the comparison that brokers are put through: queued messages, retained messages, and how many of the first
// were sent once before the client went away.
const (
	queuedMessages   = 900
	retainedMessages = 100
	sentBefore       = 20
)

// A queueTest has messages acknowledged that somebody has still to receive: 900 of QoS 1 queued for a persistent session
// whose client is away, and 100 retained ones.
type queueTest struct {
	*killTest
	prefix string
	queued int // messages, when all are acknowledged
}

func newQueueTest(t *testing.T, dir string) *queueTest {
	k := newKillTest(t, dir, newDataIn(t, dir, testEmail)[0])
	return &queueTest{k, "line/", queuedMessages}
}

// fill returns when everything is acknowledged.
func (q *queueTest) fill(p *process) {
	sleeper := q.dial(p.mqtts, "sleeper", q.user, q.secret, false)
	publisher := q.dial(p.mqtts, "publisher", q.user, q.secret, true)
	if sleeper == nil || publisher == nil {
		q.t.Fatal("the clients cannot connect")
	}
	sleeper.Send(brokertest.Subscribe(1, q.prefix+"queue", 1)...)
	sleeper.Expect(0x90, 3, 0, 1, 1)
	q.publish(publisher, 0, sentBefore, func(i int) []byte {
		return brokertest.Publish(q.prefix+"queue", strconv.Itoa(i), 1, uint16(i+1))
	})
	for range sentBefore {
		if sleeper.Next() == nil { // received and not acknowledged
			q.t.Fatal("the subscriber does not get its messages")
		}
	}
	_ = sleeper.Conn.Close()
	eventually(q.t, "the server knows that the subscriber is away", func() bool { return !q.connected(p, "sleeper") }) // else it sends more
	q.publish(publisher, sentBefore, queuedMessages, func(i int) []byte {
		return brokertest.Publish(q.prefix+"queue", strconv.Itoa(i), 1, uint16(i+1))
	})
	q.publish(publisher, 0, retainedMessages, func(i int) []byte {
		return brokertest.Retained(fmt.Sprint(q.prefix, "retained/", i), strconv.Itoa(i), 1, uint16(i+1))
	})
}

// connected asks the server whether a client is there. When it is not, that is journaled ahead of what is published from now on.
func (q *queueTest) connected(p *process, clientID string) bool {
	req, err := http.NewRequest("GET", p.rest+"/api/v1/messaging/clients"+query("clientId", clientID, "connected", "true"), nil)
	if err != nil {
		q.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+q.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		q.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Clients *struct {
			Results []object `json:"results"`
		} `json:"clients"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Clients == nil {
		q.t.Fatalf("clients: %s, %v", resp.Status, err)
	}
	return len(answer.Clients.Results) > 0
}

// publish sends messages from to to and waits for their acknowledgements.
func (q *queueTest) publish(c *brokertest.Client, from, to int, message func(i int) []byte) {
	var all []byte
	for i := from; i < to; i++ {
		all = append(all, message(i)...)
	}
	c.Send(all...)
	for i := from; i < to; i++ {
		c.ExpectAck(packet.PUBACK, uint16(i+1))
	}
}

// check says what is there.
func (q *queueTest) check(address string) (wrong []string) {
	c := q.dial(address, "sleeper", q.user, q.secret, true)
	if c == nil {
		return append(q.wrong, "the session cannot be resumed")
	}
	queued, late := q.receive(c, q.queued, func(i int, m *packet.Publish) string {
		if want := i < sentBefore; string(m.Payload) != strconv.Itoa(i) || m.Dup != want {
			return fmt.Sprintf("message %d is %q, DUP %v", i, m.Payload, m.Dup)
		}
		return ""
	})
	c = q.dial(address, q.user, q.user, q.secret, false)
	c.Send(brokertest.Subscribe(1, q.prefix+"retained/#", 1)...)
	c.Expect(0x90, 3, 0, 1, 1)
	seen := map[string]bool{}
	retained, more := q.receive(c, retainedMessages, func(i int, m *packet.Publish) string {
		seen[string(m.Topic)] = true
		if !m.Retain || !strings.HasSuffix(string(m.Topic), "/"+string(m.Payload)) {
			return fmt.Sprintf("%s holds %q, RETAIN %v", m.Topic, m.Payload, m.Retain)
		}
		return ""
	})
	q.t.Logf("after the restart: %d queued, %d retained", queued, retained)
	wrong = append(append(q.wrong, late...), more...)
	if queued != q.queued || len(seen) != retainedMessages {
		wrong = append(wrong, fmt.Sprintf("%d of %d queued and %d of %d retained messages are there", queued, q.queued, len(seen), retainedMessages))
	}
	return wrong
}

// receive takes and acknowledges messages until n have come or nothing comes any more.
func (q *queueTest) receive(c *brokertest.Client, n int, judge func(i int, m *packet.Publish) string) (got int, wrong []string) {
	defer c.Conn.Close()
	for ; got < n; got++ {
		b := c.Try(patience)
		if b == nil {
			break
		}
		var m packet.Publish
		if err := m.Decode(b); err != nil {
			return got, append(wrong, err.Error())
		}
		c.Ack(packet.PUBACK, m.PacketID)
		if what := judge(got, &m); what != "" {
			wrong = append(wrong, what)
		}
	}
	return got, wrong
}

// TestKillKeepsQueue is the comparison of brokers: everything acknowledged, then kill -9. Nothing is missing, the order
// is kept, and DUP is set on what was sent before and on nothing else.
func TestKillKeepsQueue(t *testing.T) {
	dir := t.TempDir() + "/data"
	q := newQueueTest(t, dir)
	p := spawn(t, dir)
	p.mustReady()
	q.fill(p)
	p.kill()
	p = spawn(t, dir)
	p.mustReady()
	for _, wrong := range q.check(p.mqtts) {
		t.Error(wrong)
	}
	p.kill()
}
