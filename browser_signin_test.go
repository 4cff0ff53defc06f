package main

import "testing"

func TestBrowserSetupAndSignIn(t *testing.T) {
	dir, _ := newData(t)
	s := start(t, dir)
	token, _ := s.identity.SetupToken()
	p := s.browse()
	p.open("/setup#token=" + token)
	p.see("Welcome")
	p.accessible()
	p.fill("Account name", "Acme")
	p.fill("E-mail address", testEmail)
	p.fill("New password", testPassword)
	p.button("Create account")
	p.until("the set-up leads to the first device", func() bool { return p.location() == "/first-device" })

	p.open("/")
	p.see("Overview", "Settings")
	p.button("Your account")
	p.button("Sign out")
	p.see("Sign in", "Forgot your password?")
	p.allow("401")
	p.fill("E-mail address", testEmail)
	p.fill("Password", "wrong")
	p.button("Sign in")
	p.see("The e-mail address or the password is wrong.")
	p.accessible()
	p.fill("Password", testPassword)
	p.button("Sign in")
	p.see("Overview", "Search or jump to")
}

// A page for admins leads there by way of the sign-in, and to nowhere else.
func TestBrowserSignInLeadsBack(t *testing.T) {
	dir, _ := newData(t, testEmail)
	p := start(t, dir).browse()
	p.allow("401")
	p.open("/access?action=read")
	p.see("Sign in")
	p.fill("E-mail address", testEmail)
	p.fill("Password", testPassword)
	p.button("Sign in")
	p.until("the page asked for", func() bool { return p.location() == "/access?action=read" })

	p.open("/sign-in?next=//elsewhere.example/")
	p.fill("E-mail address", testEmail)
	p.fill("Password", testPassword)
	p.button("Sign in")
	p.until("the overview, on this server", func() bool { return p.location() == "/" })
}
