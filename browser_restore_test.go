package main

import "testing"

// TestBrowserRestore: an admin puts the server back to a backup and is where they were before, without what came later.
func TestBrowserRestore(t *testing.T) {
	dir, _ := newData(t, testEmail)
	server := spawnToStay(t, dir)
	sh := shellAt(t, server.rest)
	sh.run(exitOK, "", "devices", "create", "--serial", "earlier-1")
	p := browse(t, server.rest)
	p.signIn(testEmail)
	p.open("/settings/backups")
	p.button("Back up now")
	p.see("by hand")
	name := read[string](p, `document.querySelector('td [title^=xively]').title`)
	sh.run(exitOK, "", "devices", "create", "--serial", "later-1")
	p.open("/devices")
	p.see("later-1")

	p.open("/settings/backups")
	p.button("Actions of " + name)
	p.button("Restore…")
	p.see("Restore this backup?")
	p.accessible()
	p.fill("Type "+name+" to go on", name)
	p.allow("ERR_CONNECTION") // while the server starts again
	p.allow("ERR_EMPTY_RESPONSE")
	p.allow("ERR_SOCKET")
	p.button("Restore")
	p.until("the console is back", func() bool { return p.location() == "/" })
	p.see("What a restore replaced is kept")
	p.open("/devices")
	p.see("earlier-1")
	p.gone("later-1")
}
