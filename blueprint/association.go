package blueprint

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest"
	"xively/internal/throttle"
)

// An association code brings a device to a user: printed on the device or shown by it, typed into an app, it moves the
// device into the user's organization. A device has one code at most, a code works once and for association_code_life.
// Stored is the SHA-256 of a code; it has 60 random bits, which nobody guesses over HTTP. That nobody tries for long
// either, wrong codes are counted by the user and by the address they come from: codesOfUser or codesOfAddress at once,
// and one more each codeEvery. A right code does not count, and who is held up may go on after a moment.
const (
	codesOfUser    = 10
	codesOfAddress = 30
	codeEvery      = 30 * time.Second

	codesBucket  = "blueprint.codes"
	codeOfBucket = "blueprint.codeof"
	codeLetters  = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // Crockford's: no I, L, O, U
	codeLength   = 12
)

type associationCode struct {
	DeviceID string `json:"device"`
	Expires  int64  `json:"expires"`
}

func (s *Service) associationRoutes(g *echo.Group) {
	g.POST("/association/create-association-code", s.createCode)
	g.POST("/association/start-association-with-code", s.startAssociation)
}

func (s *Service) createCode(c echo.Context) error {
	in, err := resource{s: s}.body(c)
	if err != nil {
		return err
	}
	id, _ := in["deviceId"].(string)
	if id == "" {
		return fault.Field("deviceId", "The id of the device is needed.")
	}
	var code string
	err = s.updateFor(callerOf(c), func(t *txn) (err error) {
		code, err = t.newCode(id)
		return err
	})
	if err != nil {
		return err
	}
	return rest.JSON(c, map[string]string{"associationCode": code})
}

func (t *txn) newCode(deviceID string) (string, error) {
	k := t.byName["device"]
	device, err := t.find(k, deviceID)
	if err != nil {
		return "", err
	}
	if err := t.permit(associate, k, device); err != nil {
		return "", err
	}
	t.dropCode(device.ID)
	code := randomCode()
	sum := sha256.Sum256([]byte(code))
	if err := t.putCode(associationCode{device.ID, t.at.Add(t.cfg.AssociationCodeLife).UnixMilli()}, sum[:]); err != nil {
		return "", err
	}
	return code[:4] + "-" + code[4:8] + "-" + code[8:], nil
}

func randomCode() string {
	b := make([]byte, codeLength)
	rand.Read(b) // never fails
	for i := range b {
		b[i] = codeLetters[b[i]%32]
	}
	return string(b)
}

// readCode takes a code as people type it.
func readCode(s string) (string, bool) {
	s = strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(s))
	return s, len(s) == codeLength && strings.Trim(s, codeLetters) == ""
}

func (t *txn) codeKey(sum []byte) []byte {
	account, _ := parseID(t.account)
	return append(account[:], sum...)
}

// codeOf returns a device's association code as it is stored; nil when it has none.
func (t *txn) codeOf(deviceID string) (code associationCode, sum []byte, err error) {
	id, _ := parseID(deviceID)
	sum = slices.Clone(t.tx.Bucket(codeOfBucket).Get(id[:]))
	if sum == nil {
		return code, nil, nil
	}
	if err := json.Unmarshal(t.tx.Bucket(codesBucket).Get(t.codeKey(sum)), &code); err != nil {
		return code, nil, fmt.Errorf("association code of %s: decode: %w", deviceID, err)
	}
	return code, sum, nil
}

// putCode gives a device, which has none, the code with this hash.
func (t *txn) putCode(code associationCode, sum []byte) error {
	value, err := json.Marshal(code)
	if err != nil {
		return fmt.Errorf("association code: encode: %w", err)
	}
	id, _ := parseID(code.DeviceID)
	t.tx.Bucket(codesBucket).Put(t.codeKey(sum), value)
	t.tx.Bucket(codeOfBucket).Put(id[:], sum)
	return nil
}

func (t *txn) dropCode(deviceID string) {
	id, _ := parseID(deviceID)
	if sum := t.tx.Bucket(codeOfBucket).Get(id[:]); sum != nil {
		t.tx.Bucket(codesBucket).Delete(t.codeKey(slices.Clone(sum)))
		t.tx.Bucket(codeOfBucket).Delete(id[:])
	}
}

func (s *Service) startAssociation(c echo.Context) error {
	in, err := resource{s: s}.body(c)
	if err != nil {
		return err
	}
	who := callerOf(c)
	user, address := who.names(in)
	if err := s.codes.take(user, address); err != nil {
		return err
	}
	var device *object
	err = s.updateFor(who, func(t *txn) (err error) {
		device, err = t.associate(in)
		return err
	})
	if fault.KindOf(err) != fault.NotFound {
		s.codes.giveBack(user, address) // it was right, or the request was wrong in something else
	}
	if err != nil {
		return err
	}
	return rest.JSON(c, map[string]string{"deviceId": device.ID})
}

// codeGuesses counts wrong codes.
type codeGuesses struct{ users, addresses *throttle.Throttle }

func (g *codeGuesses) init(now func() time.Time) {
	g.users, g.addresses = throttle.New(now, codesOfUser, codeEvery), throttle.New(now, codesOfAddress, codeEvery)
}

// names are what a code is counted by: the user and the address. A back-end application asks for many people from one
// address, so that each of them counts.
func (c caller) names(in map[string]any) (user, address string) {
	user = c.p.AccountID + " " + c.p.ID
	if c.p.Kind != auth.Application {
		return user, c.remote
	}
	endUser, _ := in["endUserId"].(string)
	return user + " " + cut(endUser, 40), ""
}

// take counts a code before it is looked at, so that many at once are not all looked at.
func (g *codeGuesses) take(user, address string) error {
	const text = "There were too many wrong association codes. Wait a while, look at the code again, and try once more."
	if !g.users.Take(user) {
		return g.users.Check(user, text)
	}
	if !g.addresses.Take(address) {
		g.users.GiveBack(user)
		return g.addresses.Check(address, text)
	}
	return nil
}

func (g *codeGuesses) giveBack(user, address string) {
	g.users.GiveBack(user)
	g.addresses.GiveBack(address)
}

// associate moves the device of a code into an end user's organization, or the organization named.
func (t *txn) associate(in map[string]any) (*object, error) {
	text, _ := in["associationCode"].(string)
	code, ok := readCode(text)
	if !ok {
		return nil, fault.Field("associationCode", "This is no association code: it has %d letters and digits.", codeLength)
	}
	organization, err := t.newHome(in)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(code))
	value := t.tx.Bucket(codesBucket).Get(t.codeKey(sum[:]))
	var known associationCode
	if value != nil {
		if err := json.Unmarshal(value, &known); err != nil {
			return nil, fmt.Errorf("association code: decode: %w", err)
		}
	}
	k := t.byName["device"]
	device, err := t.findAny(k, known.DeviceID)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return nil, err
	}
	if device == nil || device.Deleted != 0 || known.Expires < t.at.UnixMilli() {
		return nil, fault.New(fault.NotFound, "There is no device with this association code; it may have been used or have run out. Ask for a new code.")
	}
	t.dropCode(device.ID)
	o := device.clone()
	o.set("organizationId", organization)
	o.set("provisioningState", associated)
	o.touch(t.by, t.at)
	return o, t.store(k, device, o)
}

// newHome is the organization a device is associated with. The code is the right to the device; what is needed besides
// is to be the end user, or to have the right to change devices there.
func (t *txn) newHome(in map[string]any) (string, error) {
	endUser, _ := in["endUserId"].(string)
	organization, _ := in["organizationId"].(string)
	switch {
	case endUser != "":
		o, err := t.find(t.byName["endUser"], endUser)
		if err != nil {
			return "", err
		}
		organization = o.text("organizationId")
		if organization == "" {
			return "", fault.New(fault.Unprocessable, "The end user is in no organization, so the device has nowhere to go. Put the end user into one first.")
		}
		if t.who != nil && t.who.p.ID == o.ID {
			return organization, nil
		}
	case organization == "":
		return "", fault.Field("endUserId", "Say whose the device will be: endUserId, or organizationId.")
	}
	if _, err := t.find(t.byName["organization"], organization); err != nil {
		return "", err
	}
	place := &object{AccountID: t.account, Values: map[string]any{"organizationId": organization}}
	return organization, t.permit(change, t.byName["device"], place)
}
