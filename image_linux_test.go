package main

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"xively/broker/brokertest"
	"xively/broker/packet"
	"xively/storage"
)

// TestDeviceImage is D03: the device under a server that is at work is copied, the copy is mounted, which replays the file system's log, and a server
// starts on it. What was acknowledged before the copy was begun must be there, and what is there of the rest must be the beginning of it.
//
// The copy has to be of one moment. cp reads a file piece by piece: of an image that is written to meanwhile it would have the late state of one
// piece and the early state of another, which no crash leaves behind. So the image lies on XFS, and cp shares its blocks: XFS does that while
// it holds off writers. A frozen file system does not change, and any copy of it will do.
func TestDeviceImage(t *testing.T) {
	if *powerOn == "" {
		t.Skip("-power says on which file systems")
	}
	for fs := range strings.SplitSeq(*powerOn, ",") {
		for _, frozen := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s frozen %v", fs, frozen), func(t *testing.T) {
				d := newImageTest(t, fs, nil)
				for range *killRounds {
					for _, wrong := range d.round(frozen) {
						t.Fatal(wrong)
					}
				}
				t.Logf("%d rounds, %d acknowledged before copies were begun, %d more in them", *killRounds, d.before, d.more)
			})
		}
		t.Run(fs+" control", func(t *testing.T) {
			d := newImageTest(t, fs, withoutSync(t))
			for n := range 20 {
				if wrong := d.round(false); len(wrong) > 0 {
					t.Logf("without syncs, as it must be, in round %d: %.300s", n, strings.Join(wrong, "; "))
					return
				}
			}
			t.Error("a server that does not sync loses nothing: this test cannot see loss")
		})
	}
}

type imageTest struct {
	*killTest
	disk, copied *powerDisk
	p            *process
	rounds       int
	before, more int // messages
}

func newImageTest(t *testing.T, fs string, under []string) *imageTest {
	outer := newPowerDisk(t, "xfs", 4<<30)
	d := &imageTest{disk: newPowerDiskIn(t, outer.at, fs, 1<<30)}
	copied := *d.disk
	copied.image, copied.at = filepath.Join(outer.at, "copy.img"), t.TempDir()
	d.copied = &copied
	d.killTest = newKillTest(t, d.disk.data(), newDataIn(t, d.disk.data(), testEmail)[0])
	d.p = spawnUnder(t, under, d.disk.data(), killSettings...)
	t.Cleanup(d.p.kill) // before the disk is unmounted
	d.p.mustReady()
	return d
}

// round copies the device while messages are published to a session that is away, and returns what is wrong with the copy.
func (d *imageTest) round(frozen bool) (wrong []string) {
	t := d.t
	d.wrong = nil
	d.rounds++
	name := fmt.Sprint("image", d.rounds)
	away := d.dial(d.p.mqtts, name, d.user, d.secret, false)
	away.Send(brokertest.Subscribe(1, name, 1)...)
	away.Expect(0x90, 3, 0, 1, 1)
	away.Disconnect()
	publisher := d.dial(d.p.mqtts, "publisher", d.user, d.secret, true)
	var acked atomic.Int64
	var stop atomic.Bool
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for n := 0; !stop.Load(); n += window {
			for i := range window {
				publisher.Publish(name, strconv.Itoa(n+i), 1, uint16((n+i)%60000+1))
			}
			for i := range window {
				publisher.ExpectAck(packet.PUBACK, uint16((n+i)%60000+1))
				acked.Add(1)
			}
		}
	})
	time.Sleep(time.Duration(20+rand.IntN(300)) * time.Millisecond)
	before := int(acked.Load())
	d.copyDevice(frozen)
	stop.Store(true)
	publishing.Wait()

	if out, err := d.copied.mount(); err != nil {
		t.Fatalf("mount the copy: %v %s", err, out)
	}
	defer d.copied.unmount()
	if _, err := storage.Verify(d.copied.data()); err != nil {
		return []string{"verify: " + err.Error()}
	}
	p := spawn(t, d.copied.data(), killSettings...)
	defer p.kill()
	if !p.ready() {
		return []string{"the server does not start: " + p.stderr.String()}
	}
	c := d.dial(p.mqtts, name, d.user, d.secret, true)
	if c == nil {
		return append(d.wrong, "the session cannot be resumed")
	}
	got := 0
	for patience := time.Minute; ; got++ {
		if got >= before {
			patience = 200 * time.Millisecond // there may be more
		}
		var m packet.Publish
		b := c.Try(patience)
		if b == nil {
			break
		}
		if err := m.Decode(b); err != nil || string(m.Payload) != strconv.Itoa(got) {
			return []string{fmt.Sprintf("message %d is %q, %v", got, m.Payload, err)}
		}
		c.Ack(packet.PUBACK, m.PacketID)
	}
	if sent := int(acked.Load()); got < before || got > sent {
		return []string{fmt.Sprintf("%d messages are there; %d were acknowledged before, %d in all", got, before, sent)}
	}
	d.before += before
	d.more += got - before
	return nil
}

func (d *imageTest) copyDevice(frozen bool) {
	run := func(name string, args ...string) {
		d.t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			d.t.Fatalf("%s: %v %s", name, err, out)
		}
	}
	if !frozen {
		run("cp", "--reflink=always", d.disk.image, d.copied.image)
		return
	}
	run("fsfreeze", "-f", d.disk.at)
	defer run("fsfreeze", "-u", d.disk.at)
	run("cp", "--reflink=never", "--sparse=always", d.disk.image, d.copied.image)
}
