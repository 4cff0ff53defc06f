package identity

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/storage"
	"xively/storage/storagetest"
)

const (
	annMail     = "Ann@example.com"
	annPassword = "correct Horse 7 staple"
)

// fixture is a service over its own store, with a clock and a directory the test holds.
type fixture struct {
	*Service
	t     *testing.T
	dir   string
	db    *storage.DB
	users *directory
	clock *clock
	logs  *bytes.Buffer // only to be read when nothing runs
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: t.TempDir(), users: newDirectory(), clock: &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	f.open()
	return f
}

// open opens store and service; after close, it opens them again.
func (f *fixture) open() {
	f.t.Helper()
	var err error
	f.logs = new(bytes.Buffer)
	log := slog.New(slog.NewTextHandler(f.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f.db = storagetest.OpenIn(f.t, f.dir)
	if f.Service, err = New(f.config(), f.db, f.users, log); err != nil {
		f.t.Fatal(err)
	}
	f.Service.now = f.clock.now
	f.keys.make = testKey
}

func (f *fixture) config() Config {
	return Config{Dir: f.dir, PasswordMemoryKiB: 8 << 10, PasswordPasses: 1}
}

func (f *fixture) close() {
	f.t.Helper()
	if err := f.db.Close(); err != nil {
		f.t.Fatal(err)
	}
}

// account makes the account with Ann in it.
func (f *fixture) account() (accountID, userID string) {
	f.t.Helper()
	accountID, userID, _, err := f.CreateAccount(f.t.Context(), "Acme", annMail, annPassword)
	if err != nil {
		f.t.Fatal(err)
	}
	return accountID, userID
}

const bobPassword = "another Horse 8 staple"

// user makes a user with bobPassword and a place in the account; Nobody for none.
func (f *fixture) user(accountID, mail string, kind auth.Kind) User {
	f.t.Helper()
	u := User{ID: newID(), AccountID: accountID, EmailAddress: mail, Created: f.clock.now()}
	var err error
	if u.Password, err = f.hashNewPassword(f.t.Context(), bobPassword, mail); err != nil {
		f.t.Fatal(err)
	}
	err = f.db.Update(func(tx *storage.Tx) error {
		if kind != auth.Nobody {
			f.users.add(tx, kind, accountID, u.ID)
		}
		return addUser(tx, u)
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return u
}

func (f *fixture) signIn(mail, password string) (jwt string) {
	f.t.Helper()
	jwt, err := f.SignIn(f.t.Context(), "", mail, password, "198.51.100.9:4711")
	if err != nil {
		f.t.Fatal(err)
	}
	return jwt
}

func (f *fixture) signInAnn() (jwt string) {
	f.t.Helper()
	jwt, err := f.SignIn(f.t.Context(), "", annMail, annPassword, "test")
	if err != nil {
		f.t.Fatal(err)
	}
	return jwt
}

func (f *fixture) wantKind(err error, kind fault.Kind, doing string) {
	f.t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		f.t.Errorf("%s: error %v, want one of kind %d", doing, err, kind)
	}
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// testKeys saves making an RSA key for each test.
var testKeys = sync.OnceValue(func() (keys [3]*rsa.PrivateKey) {
	for i := range keys {
		keys[i], _ = rsa.GenerateKey(rand.Reader, keyBits)
	}
	return keys
})

var nextTestKey struct {
	sync.Mutex
	n int
}

func testKey() (*rsa.PrivateKey, error) {
	nextTestKey.Lock()
	defer nextTestKey.Unlock()
	nextTestKey.n++
	return testKeys()[nextTestKey.n%3], nil
}

// directory stands for the object directory: a user it bootstrapped is an account user.
type directory struct {
	mu     sync.Mutex
	users  map[string]auth.Principal // by account and user
	placed []string                  // organizations end users were put into
	fail   error                     // what Bootstrap returns, after it has written
}

const directoryBucket = "test.directory"

func newDirectory() *directory { return &directory{users: map[string]auth.Principal{}} }

func (d *directory) Bootstrap(tx *storage.Tx, accountID, accountName, userID, email string) (string, error) {
	tx.Bucket(directoryBucket).Put([]byte(userID), []byte(accountName+" "+email))
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return "", d.fail
	}
	id := "entity-" + userID
	tx.OnCommit(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.users[accountID+userID] = auth.Principal{Kind: auth.AccountUser, AccountID: accountID, ID: id, UserID: userID}
	})
	return id, nil
}

func (d *directory) UserPrincipal(accountID, userID string) (auth.Principal, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.users[accountID+userID]
	if !ok {
		return p, fault.New(fault.NotFound, "no such user")
	}
	return p, nil
}

func (d *directory) add(tx *storage.Tx, kind auth.Kind, accountID, userID string) (string, error) {
	id := newID()
	tx.Bucket(directoryBucket).Put([]byte(userID), []byte(kind.String()))
	if d.fail != nil {
		return "", d.fail
	}
	tx.OnCommit(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.users[accountID+userID] = auth.Principal{Kind: kind, AccountID: accountID, ID: id, UserID: userID}
	})
	return id, nil
}

func (d *directory) AddAccountUser(tx *storage.Tx, accountID, userID, name string) (string, error) {
	return d.add(tx, auth.AccountUser, accountID, userID)
}

func (d *directory) AddEndUser(tx *storage.Tx, accountID, userID, name, emailAddress, organizationID, endUserTemplateID string) (string, error) {
	d.mu.Lock()
	d.placed = append(d.placed, organizationID)
	d.mu.Unlock()
	return d.add(tx, auth.EndUser, accountID, userID)
}

func (d *directory) AdminUserIDs(_ *storage.Tx, accountID string) (ids []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.users {
		if p.AccountID == accountID && p.Kind == auth.AccountUser {
			ids = append(ids, p.UserID)
		}
	}
	return ids, nil
}

func (d *directory) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.users)
}

func TestCreateAccountAndSignIn(t *testing.T) {
	f := newFixture(t)
	accountID, userID, accountUserID, err := f.CreateAccount(t.Context(), " Acme ", annMail, annPassword)
	if err != nil {
		t.Fatal(err)
	}
	if account, err := f.Account(accountID); err != nil || account.Name != "Acme" || !account.Created.Equal(f.clock.now()) {
		t.Errorf("account %+v, %v", account, err)
	}
	for _, sign := range []struct{ name, account, mail string }{
		{"with account", accountID, annMail},
		{"without account", "", annMail},
		{"other case", accountID, "  aNN@EXAMPLE.com "},
	} {
		jwt, err := f.SignIn(t.Context(), sign.account, sign.mail, annPassword, "test")
		if err != nil {
			t.Fatalf("sign in %s: %v", sign.name, err)
		}
		p, renewed, err := f.Verify(t.Context(), jwt)
		want := auth.Principal{Kind: auth.AccountUser, AccountID: accountID, ID: accountUserID, UserID: userID, SessionID: p.SessionID}
		if err != nil || p != want || renewed != "" || p.SessionID == "" {
			t.Errorf("verify %s: %+v, renewed %q, %v; want %+v", sign.name, p, renewed, err, want)
		}
	}
	if _, err := f.Account("nobody"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("unknown account: %v", err)
	}
}

func TestCreateAccountIsWholeOrNothing(t *testing.T) {
	f := newFixture(t)
	f.users.fail = errors.New("no room")
	if _, _, _, err := f.CreateAccount(t.Context(), "Acme", annMail, annPassword); !errors.Is(err, f.users.fail) {
		t.Fatalf("error %v", err)
	}
	if needed, err := f.setupNeeded(); !needed || err != nil {
		t.Errorf("an account is left behind (%v)", err)
	}
	if _, known, _ := f.findUser("", foldEmail(annMail)); known {
		t.Error("a user is left behind")
	}
	f.db.View(func(tx *storage.Tx) error {
		for key := range tx.Bucket(directoryBucket).Scan(nil, nil) {
			t.Errorf("a directory object is left behind: %q", key)
		}
		return nil
	})
	f.users.fail = nil
	f.account()
}

func TestCreateAccountRefuses(t *testing.T) {
	f := newFixture(t)
	for _, row := range []struct {
		name, account, mail, password, field string
		kind                                 fault.Kind
	}{
		{"no mail", "Acme", "", annPassword, "emailAddress", fault.Invalid},
		{"no at", "Acme", "ann.example.com", annPassword, "emailAddress", fault.Invalid},
		{"no local part", "Acme", "@example.com", annPassword, "emailAddress", fault.Invalid},
		{"no domain", "Acme", "ann@", annPassword, "emailAddress", fault.Invalid},
		{"two at", "Acme", "ann@b@example.com", annPassword, "emailAddress", fault.Invalid},
		{"space", "Acme", "an n@example.com", annPassword, "emailAddress", fault.Invalid},
		{"NUL", "Acme", "ann@example.com\x00x", annPassword, "emailAddress", fault.Invalid},
		{"long local part", "Acme", strings.Repeat("a", 65) + "@example.com", annPassword, "emailAddress", fault.Invalid},
		{"long mail", "Acme", "ann@" + strings.Repeat("e", 251), annPassword, "emailAddress", fault.Invalid},
		{"long name", strings.Repeat("ä", 201), annMail, annPassword, "accountName", fault.Invalid},
		{"newline in name", "Ac\nme", annMail, annPassword, "accountName", fault.Invalid},
		{"weak password", "Acme", annMail, "password", "password", fault.Unprocessable},
	} {
		_, _, _, err := f.CreateAccount(t.Context(), row.account, row.mail, row.password)
		var e *fault.Error
		if !errors.As(err, &e) || e.Kind != row.kind || e.Field != row.field {
			t.Errorf("%s: error %#v, want kind %d, field %q", row.name, err, row.kind, row.field)
		}
	}
	if n := f.Stats().PasswordHashes; n != 0 {
		t.Errorf("%d passwords were hashed for refused requests", n)
	}
}

// A wrong password, an unknown address and an unknown account get one answer, for one hash each (I12).
func TestI12SignInTellsNothing(t *testing.T) {
	f := newFixture(t)
	accountID, userID := f.account()
	for _, row := range []struct{ name, account, mail, password string }{
		{"wrong password", accountID, annMail, "wrong password"},
		{"wrong password, no account", "", annMail, "wrong password"},
		{"unknown address", accountID, "bob@example.com", annPassword},
		{"unknown address, no account", "", "bob@example.com", annPassword},
		{"other account", "11111111-1111-4111-8111-111111111111", annMail, annPassword},
		{"no address at all", accountID, strings.Repeat("x", 100_000) + "\x00", annPassword},
	} {
		before := f.Stats().PasswordHashes
		_, err := f.SignIn(t.Context(), row.account, row.mail, row.password, "test")
		if err == nil || err.Error() != wrongSignIn().Error() || fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("%s: %v, want %v", row.name, err, wrongSignIn())
		}
		if n := f.Stats().PasswordHashes - before; n != 1 {
			t.Errorf("%s: %d hashes, want 1", row.name, n)
		}
	}
	f.user(accountID, "second@example.com", auth.AccountUser)
	if err := f.DisableUser(accountID, userID, true); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(lockoutTime)
	for range maxFailures { // the right password of a disabled user counts as wrong, or the lock would tell
		before := f.Stats().PasswordHashes
		_, err := f.SignIn(t.Context(), accountID, annMail, annPassword, "test")
		if err == nil || err.Error() != wrongSignIn().Error() || f.Stats().PasswordHashes != before+1 {
			t.Errorf("disabled user: %v, %d hashes", err, f.Stats().PasswordHashes-before)
		}
	}
	_, err := f.SignIn(t.Context(), accountID, annMail, annPassword, "test")
	f.wantKind(err, fault.TooMany, "disabled user, once more")
}

func TestSignInAddressInTwoAccounts(t *testing.T) {
	f := newFixture(t)
	first, _ := f.account()
	second, _ := f.account()
	if _, err := f.SignIn(t.Context(), "", annMail, annPassword, "test"); fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("without account: %v", err)
	}
	for _, accountID := range []string{first, second} {
		jwt, err := f.SignIn(t.Context(), accountID, annMail, annPassword, "test")
		if err != nil {
			t.Fatal(err)
		}
		if p, err := f.VerifyFresh(t.Context(), jwt); err != nil || p.AccountID != accountID {
			t.Errorf("signed in to %s: %+v, %v", accountID, p, err)
		}
	}
}

// Nothing a client holds can be found in the data folder (I15), the log, or an error.
func TestI15StoredSecrets(t *testing.T) {
	f := newFixture(t)
	f.account()
	jwt := f.signInAnn()
	f.SignIn(t.Context(), "", annMail, "Wrong-Secret-Guess", "test")
	c, err := f.parse(jwt)
	if err != nil {
		t.Fatal(err)
	}
	key, err := f.keys.signing(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	setupToken := f.setupToken
	a := &api{f, f.handler()}
	_, appToken := a.application(jwt, `{"name":"app","type":"endUser"}`)
	made := a.want(200, "POST", "second-factor", "", bearer(jwt)).str("secondFactor.secret")
	shared, _ := base32Plain.DecodeString(made)
	recovery := a.want(200, "POST", "second-factor/confirm", `{"oneTimeCode":"`+totp(shared, f.clock.now().Unix()/totpStep)+`"}`, bearer(jwt))
	recoveryCode := recovery.Body["secondFactor"].(map[string]any)["recoveryCodes"].([]any)[0].(string)
	apiKey := a.want(200, "POST", "api-keys", `{"name":"k"}`, bearer(jwt)).str("apiKey.key")
	link := a.want(200, "POST", "invitations", `{"emailAddress":"new@example.com"}`, bearer(jwt)).str("invitation.link")
	providerSecret := randomText()
	if _, err := f.storeProvider(Provider{ID: newID(), AccountID: c.AccountID, Name: "p", Issuer: "https://a.example", ClientID: "x"}, &providerSecret); err != nil {
		t.Fatal(err)
	}
	user, _, _ := f.findUser("", foldEmail(annMail))
	resetToken, err := f.newReset(user, resetLife, true)
	if err != nil {
		t.Fatal(err)
	}
	code, err := f.grantCode(authorization{}, Session{ID: c.ID, UserID: c.UserID, AccountID: c.AccountID})
	if err != nil {
		t.Fatal(err)
	}
	logged := f.logs.String()
	f.close()
	secrets := map[string][]byte{
		"password": []byte(annPassword), "wrong password": []byte("Wrong-Secret-Guess"), "token": []byte(jwt),
		"signature": []byte(jwt[strings.LastIndexByte(jwt, '.')+1:]), "renewal key": []byte(c.RenewalKey),
		"prime of the signing key": key.private.Primes[0].Bytes(), "PEM": []byte("PRIVATE KEY"), "set-up token": []byte(setupToken),
		"application's token": []byte(appToken), "shared secret": shared, "shared secret's text": []byte(made), "recovery code": []byte(recoveryCode),
		"recovery code, plain": []byte(strings.ReplaceAll(recoveryCode, "-", "")), "API key": []byte(apiKey), "invitation": []byte(tokenOf(t, link)),
		"provider's secret": []byte(providerSecret), "reset token": []byte(resetToken), "authorization code": []byte(code),
		"refresh token": []byte(f.refreshToken(Session{ID: c.ID, UserID: c.UserID})),
	}
	files := 0
	err = filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		for name, secret := range secrets {
			if bytes.Contains(data, secret) {
				t.Errorf("%s is in %s", name, path)
			}
		}
		return err
	})
	if err != nil || files < 2 {
		t.Fatalf("looked through %d files: %v", files, err)
	}
	for name, secret := range secrets {
		if strings.Contains(logged, string(secret)) {
			t.Errorf("%s is in the log:\n%s", name, logged)
		}
	}
	f.open()
	if _, err := f.VerifyFresh(t.Context(), jwt); err != nil {
		t.Errorf("token after restart: %v", err)
	}
}

func TestConfigValidate(t *testing.T) {
	for _, c := range []Config{
		{TokenLife: time.Second}, {TokenLife: 25 * time.Hour}, {SessionLife: time.Minute}, {SessionLife: 2401 * time.Hour},
		{ShortSessionLife: time.Minute}, {ShortSessionLife: 15 * 24 * time.Hour}, {PasswordMemoryKiB: 1024},
		{PasswordMemoryKiB: 2 << 20}, {PasswordPasses: 17}, {TokenLife: -1},
	} {
		if err := c.Validate(); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
	for _, c := range []Config{{}, {SessionLife: 30 * time.Minute}} {
		if err := c.Validate(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
