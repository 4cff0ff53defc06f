package main

import (
	"crypto/tls"
	"fmt"
	"slices"
	"testing"
)

func TestAddressesAreBounded(t *testing.T) {
	var a addresses
	a.saw("10.0.0.1", "")
	for i := range 3 * maxAddresses {
		a.saw(fmt.Sprint("host-", i), "one")
	}
	if n := len(a.seen); n != maxAddresses {
		t.Errorf("%d addresses kept, wanted %d", n, maxAddresses)
	}
	for i := range 100 {
		a.saw("busy", fmt.Sprintf("account-%02d", i))
	}
	a.saw("busy", "again")
	a.saw("busy", "again")
	if got := a.at("busy"); len(got) != maxAddressAccounts || !slices.Contains(got, "again") || !slices.IsSorted(got) {
		t.Errorf("accounts of a busy address: %q", got)
	}
	if got := a.at("nowhere"); len(got) != 0 {
		t.Errorf("accounts of an unknown address: %q", got)
	}
}

// TestFailedHandshakeReachesTheLog: a device that does not trust the certificate is found in its account's log by its address.
func TestFailedHandshakeReachesTheLog(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	token := s.signIn(testEmail)
	account := accounts[0].AccountID
	d := s.device(token, account, s.template(token, account), "D-1")
	s.dial("ssl", d.id, d.id, d.secret)
	if nc, err := tls.Dial("tcp", s.listeners.mqtts.Addr().String(), &tls.Config{ServerName: "localhost"}); err == nil {
		_ = nc.Close()
		t.Fatal("the handshake without the authority went well")
	}
	eventually(t, "the failed handshake is in the log", func() bool { return s.logged(token, "TLS handshake from 127.0.0.1 failed") })
}
