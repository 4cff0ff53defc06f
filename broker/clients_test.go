package broker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
)

// ids maps client ids to the ids that Clients gives.
func ids(b *bt.Broker) map[string]string {
	all, _ := b.Clients("test", broker.ClientQuery{}, 0, 1000)
	out := map[string]string{}
	for _, c := range all {
		out[c.ClientID] = c.ID
	}
	return out
}

func TestClientCounters(t *testing.T) {
	inBubble(t, broker.Config{QueueMessages: 2, MaxInflight: 1}, func(t *testing.T, b *bt.Broker) {
		b.Rules.Deny("secret", "publish subscribe")
		c, _ := b.Connect("c", bt.Persistent, bt.KeepAlive(60))
		c.Subscribe("t", 1)
		c.Send(bt.Subscribe(1, "secret", 1)...)
		c.Expect(0x90, 3, 0, 1, 0x80)
		publishAcked(t, c, "secret", "x")
		pub, _ := b.Connect("pub")
		for i := range 5 {
			publishAcked(t, pub, "t", fmt.Sprint(i))
		}
		pub.Publish("t", "qos 0", 0, 0)
		pub.Ping()
		synctest.Wait()
		info, subs, ok := b.Client("test", ids(b)["c"])
		if !ok || len(subs) != 1 || subs[0] != (broker.Subscription{Filter: "t", QoS: 1}) {
			t.Fatalf("%+v %v", info, subs)
		}
		if !info.Connected || !info.Persistent || info.Queued != 2 || info.Inflight != 1 || info.QueuedBytes != 2 || info.Conn.KeepAlive != time.Minute {
			t.Errorf("%+v", info)
		}
		tr := info.Traffic
		if tr.MessagesIn != 1 || tr.MessagesOut != 2 || tr.Dropped != 2 || tr.Refused != 2 || tr.BytesIn == 0 || tr.BytesOut == 0 {
			t.Errorf("traffic: %+v", tr)
		}
		_ = c.Conn.Close()
		synctest.Wait()
		away, _, _ := b.Client("test", info.ID)
		if away.Connected || away.LastSeen.IsZero() || away.Traffic != tr || away.Queued != 2 || away.Inflight != 1 {
			t.Errorf("away: %+v", away)
		}
		st := b.AccountStats("test")
		if st.Connected != 1 || st.Sessions != 2 || st.Queued != 2 || st.Traffic.MessagesIn != 7 || st.Traffic.Dropped != 2 {
			t.Errorf("account: %+v", st)
		}
		if other := b.AccountStats("other"); other != (broker.AccountStats{}) {
			t.Errorf("another account: %+v", other)
		}
		if _, _, ok := b.Client("other", info.ID); ok {
			t.Error("another account's admin sees the client")
		}
	})
}

func TestClientList(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		for i := range 25 {
			c, _ := b.Connect(fmt.Sprintf("c%02d", i), bt.Persistent)
			if i%5 == 0 {
				c.Disconnect()
			}
		}
		synctest.Wait()
		var got []string
		for page := range 4 {
			rows, total := b.Clients("test", broker.ClientQuery{}, page*10, 10)
			if total != 25 {
				t.Errorf("total %d", total)
			}
			for _, r := range rows {
				got = append(got, r.ClientID)
			}
		}
		if len(got) != 25 || got[0] != "c00" || got[24] != "c24" {
			t.Errorf("pages: %v", got)
		}
		no := false
		if rows, total := b.Clients("test", broker.ClientQuery{Connected: &no, ClientID: "C1"}, 0, 10); total != 2 || rows[0].ClientID != "c10" {
			t.Errorf("away with c1: %v", rows)
		}
	})
}

func TestDisconnectClient(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		c, _ := b.Connect("c", bt.Persistent, bt.Will("w", "gone", 0, false))
		watch, _ := b.Connect("watch")
		watch.Subscribe("w", 0)
		id := ids(b)["c"]
		if _, ok := b.DisconnectClient("other", id, "x"); ok {
			t.Error("disconnected by another account")
		}
		if _, ok := b.DisconnectClient("test", id, "an admin said so"); !ok {
			t.Error("not disconnected")
		}
		c.ExpectClosed()
		watch.Expect(bt.Publish("w", "gone", 0, 0)...)
		if told(b, "disconnected c: an admin said so") != 1 {
			t.Error("the reason was not told")
		}
		if info, ok := b.DisconnectClient("test", id, "again"); ok || info.ClientID != "c" {
			t.Errorf("a client that is away: %+v %v", info, ok)
		}
	})
}

// A session is cleared for good, connected or not, also when it was made in an earlier life of the server.
func TestClearSession(t *testing.T) {
	inBubbleOn(t, broker.Config{}, func(t *testing.T, b *bt.Broker, restart func() *bt.Broker) {
		for _, name := range []string{"there", "away"} {
			c, _ := b.Connect(name, bt.Persistent)
			c.Subscribe("t", 1)
			c.Disconnect()
		}
		b = restart()
		there, present := b.Connect("there", bt.Persistent)
		if !present {
			t.Fatal("no session")
		}
		pub, _ := b.Connect("pub")
		publishAcked(t, pub, "t", "x")
		there.Expect(bt.Publish("t", "x", 1, 1)...)
		for name, id := range ids(b) {
			if name == "pub" {
				continue
			}
			info, ok, err := b.ClearSession(context.Background(), "test", id, "cleared by a test")
			if !ok || err != nil || info.ClientID != name {
				t.Errorf("%s: %+v %v %v", name, info, ok, err)
			}
		}
		there.ExpectClosed()
		if told(b, "disconnected there: cleared by a test") != 1 || stats(b).Sessions != 1 || stats(b).Subscriptions != 0 {
			t.Errorf("after clearing: %+v", stats(b))
		}
		publishAcked(t, pub, "t", "y")
		b = restart()
		for _, name := range []string{"there", "away"} {
			c, present := b.Connect(name, bt.Persistent)
			if present {
				t.Errorf("%s has its session still", name)
			}
			c.ExpectNothing(quiet)
		}
		if _, ok, _ := b.ClearSession(context.Background(), "test", "no such id", "x"); ok {
			t.Error("cleared what is not there")
		}
	})
}

// The table of topics has a bound; the busy ones stay in it, and what is left out is counted.
func TestTopicTable(t *testing.T) {
	inBubble(t, broker.Config{TopicStats: 20}, func(t *testing.T, b *bt.Broker) {
		c, _ := b.Connect("c")
		for i := range 300 {
			c.Publish(fmt.Sprint("rare/", i), "xy", 0, 0)
			c.Publish("busy", "abc", 0, 0)
		}
		c.Ping()
		retain(t, c, "kept", "x", 1)
		synctest.Wait()
		rows, total, sums := b.Topics("test", "", broker.TopicsByMessages, 0, 5)
		if total != 20 || sums.Topics != 20 || len(rows) != 5 || rows[0].Topic != "busy" || rows[0].Messages != 300 || rows[0].Bytes != 900 {
			t.Errorf("%d topics, the first %+v", total, rows)
		}
		if sums.LeftOut != 302-20 || sums.LeftMessages != 302-20 {
			t.Errorf("left out: %+v", sums)
		}
		if rows, _, _ := b.Topics("test", "kept", broker.TopicsByName, 0, 5); len(rows) != 1 || !rows[0].Retained {
			t.Errorf("%+v", rows)
		}
		if rows, total, _ := b.Topics("other", "", broker.TopicsByName, 0, 5); total != 0 || rows != nil {
			t.Errorf("another account: %+v", rows)
		}
	})
}

func TestRetainedList(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		c, _ := b.Connect("c")
		for i := range 30 {
			retain(t, c, fmt.Sprintf("a/%02d", i), fmt.Sprint(i), byte(i%2))
		}
		retain(t, c, "b", "x", 0)
		rows, total := b.Retained("test", "a/#", 10, 10)
		if total != 30 || len(rows) != 10 || rows[0].Topic != "a/10" || string(rows[9].Payload) != "19" || rows[9].QoS != 1 {
			t.Errorf("%d: %+v", total, rows)
		}
	})
}

// $SYS: the figures of the account at once and again after each interval, byte for byte; nothing of it for others, in the table of topics, or
// when nobody asks.
func TestSys(t *testing.T) {
	inBubble(t, broker.Config{SysInterval: 5 * time.Second, Version: "1.2.3"}, func(t *testing.T, b *bt.Broker) {
		other, _ := b.Connect("other", bt.User("elsewhere/other"))
		other.Subscribe("#", 0)
		c, _ := b.Connect("c", bt.KeepAlive(0))
		c.Subscribe("#", 0) // wildcards do not reach it [MQTT-4.7.2-1]
		sub := func(filter string) {
			c.Send(bt.Subscribe(1, filter, 1)...)
		}
		sub("$SYS/broker/version")
		takeInAnyOrder(t, c, []byte{0x90, 3, 0, 1, 1}, bt.Retained("$SYS/broker/version", "1.2.3", 0, 0))
		sub("$SYS/broker/clients/connected")
		takeInAnyOrder(t, c, []byte{0x90, 3, 0, 1, 1}, bt.Retained("$SYS/broker/clients/connected", "1", 0, 0))
		second, _ := b.Connect("second", bt.Persistent)
		second.Disconnect()
		synctest.Wait()
		sub("$SYS/broker/clients/+")
		takeInAnyOrder(t, c, []byte{0x90, 3, 0, 1, 1}, bt.Retained("$SYS/broker/clients/connected", "1", 0, 0),
			bt.Retained("$SYS/broker/clients/disconnected", "1", 0, 0), bt.Retained("$SYS/broker/clients/total", "2", 0, 0))
		for range 2 {
			takeInAnyOrder(t, c, bt.Publish("$SYS/broker/version", "1.2.3", 0, 0), bt.Publish("$SYS/broker/clients/connected", "1", 0, 0),
				bt.Publish("$SYS/broker/clients/disconnected", "1", 0, 0), bt.Publish("$SYS/broker/clients/total", "2", 0, 0))
		}
		for _, f := range []string{"$SYS/broker/version", "$SYS/broker/clients/connected", "$SYS/broker/clients/+"} {
			c.Unsubscribe(f)
		}
		c.ExpectNothing(time.Minute)
		other.ExpectNothing(time.Minute)
		if rows, _, _ := b.Topics("test", "$SYS/#", broker.TopicsByName, 0, 5); len(rows) != 0 {
			t.Errorf("counted: %+v", rows)
		}
		publishAcked(t, c, "$SYS/broker/version", "mine")
		sub("$SYS/#")
		n := 0
		for p := c.Try(time.Second); p != nil; p = c.Try(time.Second) {
			var m packet.Publish
			if packet.TypeOf(p[0]) == packet.PUBLISH && m.Decode(p) == nil && strings.HasPrefix(string(m.Topic), "$SYS/broker/") && m.Retain {
				n++
			}
		}
		if n < 15 {
			t.Errorf("only %d figures", n)
		}
	})
}
