package main

import (
	"strings"
	"testing"
)

func TestBrowserOverview(t *testing.T) {
	s, p := visit(t)
	p.open("/")
	p.see("Everything is running. Connect the first device.", "Import many from CSV")
	p.accessible()

	device := s.device(s.token, s.account, s.template(s.token, s.account), "first")
	c, _ := s.dial("tcp", device.id, device.id, device.secret)
	s.done(c.Publish(device.topic("temp"), 1, false, ",,21.5,"), "publish")
	p.open("/")
	p.see("Connected devices", "of 1 · 100 %", "Messages in", "Points stored", "1 series", "Needs attention", "Running for", "Live")
	p.accessible()
	c.Disconnect(250)
	p.see("of 1 · 0 %") // by the stream: the page is not loaded anew
	p.narrow()
	p.fits()
	p.dark()
	p.accessible()
}

func TestBrowserEndUsers(t *testing.T) {
	_, p := visit(t)
	p.open("/end-users")
	p.see("No end users yet")
	p.accessible()
	p.button("New end user")
	p.choose("Template", "Default End User Template")
	p.fill("Name", "Bea Okafor")
	p.fill("E-mail address", "bea@example.org")
	p.fill("City", "Lagos")
	p.button("Create")
	p.see("Details", "Lagos", "bea@example.org")
	p.accessible()
	p.button("Change")
	p.fill("City", "Abuja")
	p.button("Save")
	p.see("Abuja")
	p.tab("Changes")
	p.see("changed city")
	p.tab("Sign-in")
	p.see("No identity")

	p.open("/end-users?q=city%3AAbuja")
	p.see("Bea Okafor", "1 in all")
	p.link("Bea Okafor")
	p.button("More")
	p.button("Delete…")
	p.see("Delete this end user?")
	p.fill("Type", "Bea Okafor")
	p.button("Delete")
	p.see("Nobody fits these filters")
	p.narrow()
	p.fits()
}

func TestBrowserAdmins(t *testing.T) {
	_, p := visit(t)
	p.open("/admins")
	p.see(testEmail, "No open invitations")
	p.button("Invite an admin")
	p.fill("E-mail address", "carl@example.com")
	p.button("Invite")
	p.see("it works once")
	p.button("Done")
	p.see("carl@example.com")
	p.accessible()
	p.button("Take back")
	p.see("No open invitations")

	p.tab("Roles")
	p.see("operator", "always there")
	p.button("New role")
	p.fill("Name", "reader of data")
	p.button("Create")
	p.see("reader of data")
	p.accessible()

	p.tab("App credentials")
	p.see("No applications yet")
	p.button("New application")
	p.fill("Name", "Phone app")
	p.button("Create")
	p.see("App token", "Shown only now")
	p.button("I have kept it")
	p.see("Phone app", "End-user app")
	p.accessible()

	p.tab("OpenID providers")
	p.see("No providers")
	p.accessible()
	p.narrow()
	p.fits()
}

func TestBrowserSettings(t *testing.T) {
	_, p := visit(t)
	p.open("/settings")
	p.see("Where you are signed in", "this one", "Second factor")
	p.allow("401") // the wrong password
	p.fill("Present password", "not this one")
	p.fill("New password", "Battery-Staple-43")
	p.button("Change password")
	p.see("This password is wrong.")
	p.fill("Present password", testPassword)
	p.button("Change password")
	p.see("Your password is changed.")

	p.link("API keys")
	p.button("New key")
	p.fill("Name", "ci")
	p.button("Create")
	p.see("Shown only now", "Authorization: Bearer")
	p.button("I have kept it")
	p.see("never")
	p.accessible()

	p.link("Account")
	p.fill("Name", "Acme Ltd")
	p.button("Save")
	p.see("Saved.")
	p.link("Audit trail")
	p.see("changed account Acme Ltd")

	p.link("Retention")
	p.fill("Points", "30d")
	p.button("Save")
	p.see("What is older goes")
	p.link("Limits")
	p.see("Time series (channels with points)", "1,000,000")
	p.accessible()

	p.link("Backups")
	p.see("No backups yet")
	p.button("Back up now")
	p.see("by hand")
	p.fill("Every … hours", "24")
	p.button("Save")
	p.see("The next one is made")
	p.accessible()

	p.link("Mail")
	p.see("No mails go out")
	p.link("Certificate")
	p.see("The server’s own authority", "TLS 1.3", "Download ca.pem")
	p.accessible()
	for _, tab := range strings.Fields("security api-keys account audit retention limits backups mail tls") {
		p.open("/settings/" + tab)
		p.see("Settings")
		p.narrow()
		p.fits()
	}
}
