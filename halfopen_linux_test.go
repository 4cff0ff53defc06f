package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"xively/broker/brokertest"
	"xively/broker/packet"
)

// R18: clients whose network goes away, without a word of theirs or of anybody's: no packet arrives any more, in either direction. Keep alive ends
// the first after one and a half times of it. For one with keep alive 0 there are TCP's own probes, and for what it was sent and did not
// confirm TCP's patience. Every will is published, once. The network is one of the test's own.
func TestHalfOpenPeer(t *testing.T) {
	lan := newTwoNetworks(t)
	dir := t.TempDir() + "/data"
	k := newKillTest(t, dir, newDataIn(t, dir, testEmail)[0])
	p := spawnUnder(t, []string{"ip", "netns", "exec", lan.server}, dir, "listen.mqtts=0.0.0.0:0")
	p.mustReady()
	defer p.kill()
	port := strings.TrimPrefix(p.mqtts, "localhost:")
	dial := func(from, to, id string, keepAlive uint16) *brokertest.Client {
		c := brokertest.NewClient(t, tls.Client(lan.dial(from, to+":"+port), k.tls))
		c.Send(packet.AppendConnect(nil, &packet.Connect{ProtocolName: []byte("MQTT"), Level: 4, ClientID: []byte(id), CleanSession: true,
			HasUsername: true, Username: []byte(k.user), HasPassword: true, Password: []byte(k.secret), KeepAlive: keepAlive,
			HasWill: true, WillTopic: []byte("gone/" + id), WillPayload: []byte("x")})...)
		c.Expect(0x20, 2, 0, 0)
		return c
	}
	watch := dial(lan.server, "127.0.0.1", "watch", 0)
	watch.Send(brokertest.Subscribe(1, "gone/#", 0)...)
	watch.Expect(0x90, 3, 0, 1, 0)
	const keepAlive = 2
	dial(lan.client, lan.address, "patient", 0)
	told := dial(lan.client, lan.address, "told", 0)
	told.Send(brokertest.Subscribe(1, "news", 0)...)
	told.Expect(0x90, 3, 0, 1, 0)
	began := time.Now()
	dial(lan.client, lan.address, "short", keepAlive)
	probed := regexp.MustCompile(`timer:\(keepalive,`)
	idle := func(want int) bool { // all is confirmed, and TCP's probes are on
		left := lan.connections()
		return len(left) == want && !slices.ContainsFunc(left, func(line string) bool { return !probed.MatchString(line) })
	}
	eventually(t, "the clients' kernel has confirmed all it was sent", func() bool { return idle(3) })
	lan.cut()

	expectWill := func(id string) time.Duration {
		t.Helper()
		for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); {
			if b := watch.Try(10 * time.Second); b != nil {
				if want := brokertest.Publish("gone/"+id, "x", 0, 0); string(b) != string(want) {
					t.Fatalf("received % x, want the will of %s", b, id)
				}
				return time.Since(began).Round(100 * time.Millisecond)
			}
		}
		t.Fatalf("no will of %s", id)
		return 0
	}
	took := expectWill("short")
	t.Logf("keep alive %d s: ended after %v", keepAlive, took)
	if took < keepAlive*3/2*time.Second {
		t.Errorf("keep alive %d s ended a connection after %v", keepAlive, took)
	}
	if !idle(2) {
		t.Errorf("want two connections with TCP's probes on: %q", lan.connections())
	}

	watch.Publish("news", "for told", 0, 0)
	t.Logf("something unconfirmed: ended after %v", expectWill("told"))
	if os.Getenv("XIVELY_SOAK") != "" {
		t.Logf("keep alive 0: ended after %v", expectWill("patient"))
		if left := lan.connections(); len(left) != 0 {
			t.Errorf("connections are left: %q", left)
		}
	}
	watch.ExpectNothing(time.Second)
	watch.Ping()
}

// twoNetworks are two network namespaces with a cable between them. The server's gives up sooner on what is not confirmed than is usual,
// which is a quarter of an hour.
type twoNetworks struct {
	t              *testing.T
	server, client string // names
	address        string // of the server, as the client sees it
}

func newTwoNetworks(t *testing.T) *twoNetworks {
	t.Helper()
	n := &twoNetworks{t: t, server: fmt.Sprint("xively-s", os.Getpid()), client: fmt.Sprint("xively-c", os.Getpid()), address: "10.99.77.1"}
	t.Cleanup(func() {
		_ = exec.Command("ip", "netns", "del", n.server).Run()
		_ = exec.Command("ip", "netns", "del", n.client).Run()
	})
	const mac = "02:00:00:00:00:02"
	for _, line := range []string{
		"netns add " + n.server,
		"netns add " + n.client,
		"-n " + n.server + " link add cable0 type veth peer name cable1 address " + mac + " netns " + n.client,
		"-n " + n.server + " addr add " + n.address + "/30 dev cable0",
		"-n " + n.client + " addr add 10.99.77.2/30 dev cable1",
		"-n " + n.server + " link set lo up",
		"-n " + n.server + " link set cable0 up",
		"-n " + n.client + " link set cable1 up",
		"-n " + n.server + " neigh replace 10.99.77.2 lladdr " + mac + " dev cable0 nud permanent",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Skipf("ip %s: %v %s", line, err, out)
		}
	}
	if out, err := exec.Command("ip", "netns", "exec", n.server, "sh", "-c", "echo 4 > /proc/sys/net/ipv4/tcp_retries2").CombinedOutput(); err != nil {
		t.Skipf("%v %s", err, out)
	}
	return n
}

// dial connects from within a namespace: a socket belongs to where it was made. The thread that made it is of no use to others.
func (n *twoNetworks) dial(from, address string) net.Conn {
	n.t.Helper()
	type result struct {
		net.Conn
		error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		ns, err := os.Open("/var/run/netns/" + from)
		if err == nil {
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
			ns.Close()
		}
		var nc net.Conn
		if err == nil {
			nc, err = net.Dial("tcp", address)
		}
		made <- result{nc, err}
	}()
	r := <-made
	if r.error != nil {
		n.t.Fatal(r.error)
	}
	return r.Conn
}

// cut takes the client its address: what comes for it is dropped, and it sends nothing.
func (n *twoNetworks) cut() {
	n.t.Helper()
	if out, err := exec.Command("ip", "-n", n.client, "addr", "flush", "dev", "cable1").CombinedOutput(); err != nil {
		n.t.Fatalf("%v %s", err, out)
	}
}

// connections are those that the server has with clients beyond the cable, as ss tells of them.
func (n *twoNetworks) connections() []string {
	n.t.Helper()
	out, err := exec.Command("ip", "netns", "exec", n.server, "ss", "-Htno", "state", "established", "dst", "10.99.77.2").CombinedOutput()
	if err != nil {
		n.t.Fatalf("ss: %v %s", err, out)
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}
