package main

import (
	"net"
	"strconv"
	"testing"
	"time"

	"xively/broker/brokertest"
	"xively/broker/packet"
)

// R27, for a client that is known: one that connects and goes again and again has the first sixty of that told in its account's log, then six a
// minute. What is left out is counted, and the next entry that is kept says how many.
func TestReconnectLoop(t *testing.T) {
	const times, burst = 200, 60
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	token := s.signIn(testEmail)
	d := s.device(token, accounts[0].AccountID, s.template(token, accounts[0].AccountID), "loop")
	connect := func() {
		nc, err := net.Dial("tcp", s.listeners.mqtt.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c := brokertest.NewClient(t, nc)
		c.Send(packet.AppendConnect(nil, &packet.Connect{ProtocolName: []byte("MQTT"), Level: 4, ClientID: []byte("loop"), CleanSession: true,
			HasUsername: true, Username: []byte(d.id), HasPassword: true, Password: []byte(d.secret), KeepAlive: 60})...)
		c.Expect(0x20, 2, 0, 0)
		c.Disconnect()
	}
	began := time.Now()
	for range times {
		connect()
	}
	told := func(severity string) (entries []object) {
		answer := s.must(token, "POST", "/api/v1/logs/search", object{"size": 1000}, "hits")
		for _, hit := range objects(answer["hits"]) {
			if source, _ := hit["_source"].(object); cell(source["severity"]) == severity && cell(source["sourceId"]) == d.id {
				entries = append(entries, source)
			}
		}
		return entries
	}
	eventually(t, "every connection and its end is told or counted", func() bool {
		return uint64(len(told("lifecycle")))+s.logs.Stats().Omitted == 2*times
	})
	if n, most := len(told("lifecycle")), burst+1+int(time.Since(began)/(10*time.Second)); n < burst || n > most {
		t.Errorf("%d entries for %d connections, want %d to %d", n, times, burst, most)
	}
	if n := len(told("warning")); n != 0 {
		t.Errorf("%d warnings", n)
	}

	if testing.Short() {
		return // what the next entry says comes after ten seconds
	}
	omitted := 0
	eventually(t, "an entry tells of those left out", func() bool { // ten seconds later at most
		connect()
		for _, e := range told("lifecycle") {
			custom, _ := e["custom"].(object)
			n, _ := strconv.Atoi(cell(custom["omitted"]))
			omitted = max(omitted, n)
		}
		time.Sleep(500 * time.Millisecond)
		return omitted > 0
	})
	t.Logf("%d left out, says the next entry", omitted)
}
