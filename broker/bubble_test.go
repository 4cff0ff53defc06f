package broker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
	"xively/storage/storagetest"
)

// inBubble runs fn with a broker in virtual time: waiting costs nothing, and a test that expects silence knows there will be none.
func inBubble(t *testing.T, cfg broker.Config, fn func(t *testing.T, b *bt.Broker), taps ...broker.Tap) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		fn(t, bt.Start(t, cfg, taps...))
	})
}

// inBubbleOn is inBubble for a test that stops the server and starts it again on the same folder, with restart.
func inBubbleOn(t *testing.T, cfg broker.Config, fn func(t *testing.T, b *bt.Broker, restart func() *bt.Broker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		dir := t.TempDir()
		db := storagetest.OpenIn(t, dir)
		b := bt.On(t, db, cfg)
		fn(t, b, func() *bt.Broker {
			b.Stop()
			db = storagetest.Reopen(t, db, dir)
			b = bt.On(t, db, cfg)
			return b
		})
	})
}

// quiet is longer than the broker takes for anything that it does without being asked again.
const quiet = 3 * time.Second

// sendAll sends packets in one write: the broker meets them in one batch.
func sendAll(c *bt.Client, packets ...[]byte) {
	var all []byte
	for _, p := range packets {
		all = append(all, p...)
	}
	c.Send(all...)
}

// publishAcked publishes at QoS 1 and takes the PUBACK: what follows happens after the message is owned by the broker.
func publishAcked(t *testing.T, c *bt.Client, topic, payload string) {
	t.Helper()
	c.Publish(topic, payload, 1, 1)
	c.ExpectAck(packet.PUBACK, 1)
}

// retain sets a retained message, acknowledged.
func retain(t *testing.T, c *bt.Client, topic, payload string, qos byte) {
	t.Helper()
	c.Send(bt.Retained(topic, payload, qos, 1)...)
	switch qos {
	case 0:
		c.Ping()
	case 1:
		c.ExpectAck(packet.PUBACK, 1)
	case 2:
		c.ExpectAck(packet.PUBREC, 1)
		c.Ack(packet.PUBREL, 1)
		c.ExpectAck(packet.PUBCOMP, 1)
	}
}

// told returns how many events hold text, once nothing is going on any more.
func told(b *bt.Broker, text string) int {
	synctest.Wait()
	return b.Events.Count(text)
}

// stats likewise.
func stats(b *bt.Broker) broker.Stats {
	synctest.Wait()
	return b.Stats()
}
