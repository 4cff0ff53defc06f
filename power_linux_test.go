package main

import (
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var powerOn = flag.String("power", "", "file systems for TestPowerCut, such as ext4,xfs; needs root and loop devices")

// A powerDisk is a file system of its own on a loop device, whose power can be cut.
type powerDisk struct {
	t       *testing.T
	image   string
	at      string // where it is mounted
	options string // of mount
}

func newPowerDisk(t *testing.T, fs string, size int64) *powerDisk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	return newPowerDiskIn(t, t.TempDir(), fs, size)
}

// newPowerDiskIn makes it in a folder.
func newPowerDiskIn(t *testing.T, dir, fs string, size int64) *powerDisk {
	t.Helper()
	d := &powerDisk{t, filepath.Join(dir, fs+".img"), filepath.Join(dir, "mnt"), "loop"}
	if fs == "xfs" {
		d.options += ",nouuid" // a copy is mounted beside it
	}
	err := os.WriteFile(d.image, nil, 0o600)
	if err == nil {
		err = errors.Join(os.Truncate(d.image, size), os.Mkdir(d.at, 0o700))
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs."+fs, "-q", d.image).CombinedOutput(); err != nil {
		t.Skipf("mkfs.%s: %v %s", fs, err, out)
	}
	if out, err := d.mount(); err != nil {
		t.Skipf("no loop device: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", d.at).Run() })
	return d
}

func (d *powerDisk) mount() ([]byte, error) {
	return exec.Command("mount", "-o", d.options, d.image, d.at).CombinedOutput()
}

// cut takes the power away: what the file system has not written to the device by now is lost, its own log included.
// ext4 and XFS share the number of the request. The process is stopped first, as it would be: ext4 may still say of a sync that the cut
// overtook that it went well, and what the process acknowledges upon that nobody has ever heard from a machine without power.
func (d *powerDisk) cut(p *os.Process) {
	if err := syscall.Kill(-p.Pid, syscall.SIGSTOP); err != nil { // with what it runs under
		_ = p.Signal(syscall.SIGSTOP)
	}
	const shutdown, noLogFlush = 0x8004587d, 2
	f, err := os.Open(d.at)
	if err == nil {
		defer f.Close()
		err = unix.IoctlSetPointerInt(int(f.Fd()), shutdown, noLogFlush)
	}
	if err != nil {
		d.t.Fatal("shut down the file system: ", err)
	}
}

// restore is the power coming back: the file system is mounted again, which replays its log.
func (d *powerDisk) restore() {
	d.t.Helper()
	d.unmount()
	if out, err := d.mount(); err != nil {
		d.t.Fatalf("mount after the power cut: %v %s", err, out)
	}
}

func (d *powerDisk) unmount() {
	d.t.Helper()
	for began := time.Now(); ; { // a process killed a moment ago may still be going
		out, err := exec.Command("umount", d.at).CombinedOutput()
		if err == nil {
			break
		}
		if time.Since(began) > 10*time.Second {
			d.t.Fatalf("umount: %v %s", err, out)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (d *powerDisk) data() string { return filepath.Join(d.at, "data") }

// withoutSync runs a program whose syncs do nothing: the control of everything here.
func withoutSync(t *testing.T) []string {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("the control needs strace")
	}
	return []string{"strace", "-f", "-qq", "-o", "/dev/null", "--seccomp-bpf", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:retval=0"}
}

// TestPowerCut is TestKill and TestKillKeepsQueue with the power cut in place of the process killed. The control runs the
// server with syncs that do nothing, and must lose.
func TestPowerCut(t *testing.T) {
	if *powerOn == "" {
		t.Skip("-power says on which file systems")
	}
	for fs := range strings.SplitSeq(*powerOn, ",") {
		t.Run(fs, func(t *testing.T) { cutPower(t, fs) })
		t.Run(fs+"-queue", func(t *testing.T) {
			for _, wrong := range cutPowerOnQueue(t, fs, nil) {
				t.Error(wrong)
			}
		})
		t.Run(fs+"-first-start", func(t *testing.T) { cutPowerOnFirstStart(t, fs) })
		t.Run(fs+"-control", func(t *testing.T) {
			wrong := cutPowerOnQueue(t, fs, withoutSync(t))
			if len(wrong) == 0 {
				t.Error("a server that does not sync loses nothing: this test cannot see loss")
			}
			t.Logf("without syncs, as it must be: %d wrong, the first: %.300s", len(wrong), strings.Join(wrong, "; "))
		})
	}
}

func cutPower(t *testing.T, fs string) {
	seed := *killSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("%d rounds, seed %d", *killRounds, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	d := newPowerDisk(t, fs, 1<<30)
	k := newKillTest(t, d.data(), newDataIn(t, d.data(), testEmail)[0])
	for round := range *killRounds {
		p := spawn(t, d.data(), killSettings...)
		cut := func() { d.cut(p.cmd.Process); p.kill() }
		if round%10 == 9 { // in the middle of a start
			time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond)
			cut()
		} else {
			p.mustReady()
			k.round(p, round%3 != 2, time.Duration(20+random.IntN(300))*time.Millisecond, cut)
		}
		d.restore()
		if t.Failed() {
			return
		}
	}
	for _, wrong := range k.check(d.data()) {
		t.Error(wrong)
	}
}

// cutPowerOnQueue returns what is wrong after the cut.
func cutPowerOnQueue(t *testing.T, fs string, under []string) []string {
	d := newPowerDisk(t, fs, 512<<20)
	q := newQueueTest(t, d.data())
	syscall.Sync() // the control is about what follows
	p := spawnUnder(t, under, d.data())
	p.mustReady()
	q.fill(p)
	d.cut(p.cmd.Process)
	p.kill()
	d.restore()
	p = spawn(t, d.data())
	if !p.ready() {
		return []string{"the server does not start: " + p.stderr.String()}
	}
	defer p.kill()
	return q.check(p.mqtts)
}

// cutPowerOnFirstStart cuts the power at 50 moments of the first start, of serve and of init in turn. The folder must be
// usable after that: there is no account, or a whole one.
func cutPowerOnFirstStart(t *testing.T, fs string) {
	d := newPowerDisk(t, fs, 512<<20)
	for i := range 50 {
		if err := os.RemoveAll(d.data()); err != nil {
			t.Fatal(err)
		}
		syscall.Sync()
		var cmd *exec.Cmd
		if i%2 == 0 {
			cmd = spawn(t, d.data()).cmd
		} else {
			cmd = exec.Command(os.Args[0], "init", "--data", d.data(), "--email", testEmail, "--password-stdin")
			cmd.Env, cmd.Stdin = append(os.Environ(), asProgram+"=1"), strings.NewReader(testPassword)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Duration(i) * 4 * time.Millisecond)
		d.cut(cmd.Process)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		d.restore()
		var out strings.Builder
		code := run([]string{"init", "--data", d.data(), "--email", testEmail, "--password-stdin"}, strings.NewReader(testPassword), &out, &out)
		if code != exitOK && !strings.Contains(out.String(), "has an account already") {
			t.Fatalf("init after a power cut %d ms into the first start: exit code %d, %s", i*4, code, &out)
		}
		s := start(t, d.data())
		s.signIn(testEmail)
		s.stop()
	}
}
