package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"xively/broker/brokertest"
	"xively/broker/packet"
)

// newTmpfs mounts a small file system in memory, which takes root.
func newTmpfs(t *testing.T, size string) string {
	t.Helper()
	at := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", at).CombinedOutput(); err != nil {
		t.Skipf("mount: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", at).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return at
}

// request asks p and returns status, headers and answer.
func (p *process) request(token, method, path string, body any) (int, http.Header, object) {
	p.t.Helper()
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			p.t.Fatal(err)
		}
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, p.rest+path, payload)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	var answer object
	_ = json.Unmarshal(raw, &answer)
	return resp.StatusCode, resp.Header, answer
}

// TestFullDisk is D05: a file beside the store takes all the room of a 16 MiB file system. New data is refused with a reason and
// not acknowledged; reads, deletes, sign-ins, health and the console answer; with the file gone, everything goes on without a restart.
func TestFullDisk(t *testing.T) {
	mnt := newTmpfs(t, "16m")
	dir := filepath.Join(mnt, "data")
	account, err := makeAccount(t.Context(), testConfig(t, dir, killSettings...), testLog(t), "", testEmail, testPassword, false)
	if err != nil {
		t.Fatal(err)
	}
	k := newKillTest(t, dir, account)
	p := spawn(t, dir, killSettings...)
	p.mustReady()
	defer p.kill()
	device := k.device.id
	c := k.dial(p.mqtts, "publisher", k.user, k.secret, true)
	c.Send(brokertest.Retained("room/a", "before", 1, 1)...)
	c.ExpectAck(packet.PUBACK, 1)

	for i := range 10 {
		if status, _, answer := p.request(k.token, "POST", "/api/v1/devices", object{"accountId": account.AccountID, "deviceTemplateId": k.template, "serialNumber": fmt.Sprint("first", i)}); status != http.StatusOK {
			t.Fatal(status, answer)
		}
	}
	ballast, err := os.Create(filepath.Join(mnt, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(ballast, io.LimitReader(zeros{}, 1<<30))
	if err == nil {
		t.Fatal("the disk is not full")
	}
	_ = ballast.Close()
	full := func() bool {
		_, _, answer := p.request("", "GET", "/healthz", nil)
		return answer["status"] == "full"
	}
	// The reserve holds for a while: data comes until the store notices.
	sent := 1
	refused := func() bool {
		sent++
		status, _, _ := p.request(k.token, "POST", "/api/v1/devices", object{"accountId": account.AccountID, "deviceTemplateId": k.template, "serialNumber": fmt.Sprint("n", sent, strings.Repeat("x", 100))})
		return status == http.StatusServiceUnavailable
	}
	eventually(t, "new devices are refused", func() bool {
		for range 100 {
			if refused() {
				return true
			}
		}
		return false
	})
	if !full() {
		t.Error("/healthz does not say that the store is full")
	}
	status, header, answer := p.request(k.token, "POST", "/api/v1/devices", object{"accountId": account.AccountID, "deviceTemplateId": k.template, "serialNumber": "late"})
	if after, _ := strconv.Atoi(header.Get("Retry-After")); status != http.StatusServiceUnavailable || after == 0 || !strings.Contains(fmt.Sprint(answer), "full") {
		t.Errorf("POST on a full disk: %d, Retry-After %q, %v", status, header.Get("Retry-After"), answer)
	}
	for id := uint16(2); ; id++ { // the store may have found some room for a moment
		c.Send(brokertest.Retained("room/a", "lost", 1, id)...)
		if c.Try(2*time.Second) == nil {
			break
		}
	}
	c.Ping()
	for _, path := range []string{"/", "/healthz", "/api/v1/devices/" + device} {
		if status, _, _ := p.request(k.token, "GET", path, nil); status != http.StatusOK {
			t.Errorf("GET %s on a full disk: %d", path, status)
		}
	}
	if status, _, answer := p.request("", "POST", "/api/v1/auth/login-user", object{"emailAddress": testEmail, "password": testPassword, "accountId": account.AccountID}); status != http.StatusOK {
		t.Errorf("sign-in on a full disk: %d %v", status, answer)
	}
	_, _, list := p.request(k.token, "GET", "/api/v1/devices"+query("pageSize", "20"), nil)
	deleted := 0
	for _, row := range objects(mustObject(list, "devices")["results"]) {
		if id := cell(row["id"]); id != device {
			status, _, answer := p.request(k.token, "DELETE", "/api/v1/devices/"+id+query("etag", cell(row["etag"])), nil)
			if status/100 != 2 {
				t.Errorf("DELETE on a full disk: %d %v", status, answer)
				break
			}
			deleted++
		}
	}
	if deleted == 0 {
		t.Error("nothing could be deleted")
	}

	if err := os.Remove(ballast.Name()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the store sees the room", func() bool { return !full() })
	c.ExpectClosed() // to send again what was not acknowledged
	c = k.dial(p.mqtts, "publisher", k.user, k.secret, true)
	c.Send(brokertest.Retained("room/a", "after", 1, 3)...)
	c.ExpectAck(packet.PUBACK, 3)
	if refused() {
		t.Error("new devices are still refused")
	}
	p.kill()
	if text := p.stderr.String(); !strings.Contains(text, "store is full") || !strings.Contains(text, "room in the store again") {
		t.Errorf("the log does not name the cause:\n%s", text)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func mustObject(o object, key string) object {
	if inner, ok := o[key].(map[string]any); ok {
		return inner
	}
	return o
}
