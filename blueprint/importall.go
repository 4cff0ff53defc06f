package blueprint

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
	"xively/internal/rest"
	"xively/storage"
)

// importAll takes a file of /export. Objects keep their ids, so that topics, links and secrets go on; an id that is
// there already in this account is brought to what the file says, and one of another account is refused. A person whose
// address is there already is that person: what the file says of them by id is said of the one who is there.
//
// With replace the account becomes what the file says: it is emptied first, which is allowed only while it has no device
// and no end user. The account takes the file's name and data. Its account users stay, so that nobody is locked out, and
// who is in the file by address becomes who the file says. Without replace the account itself is left alone.
//
// Lines are taken in chunks, each all or nothing; the first refused line ends the import, as what follows may refer to it.

const (
	maxExportLine = 1 << 20
	// MaxDirectoryBytes is the longest file, some two million objects; one to be looked at only is in memory as a whole,
	// and has MaxImportBytes at most.
	MaxDirectoryBytes = 1 << 30
)

// importedAll is the answer.
type importedAll struct {
	Lines     int    `json:"lines"`
	Created   int    `json:"created"`
	Updated   int    `json:"updated"`
	Unchanged int    `json:"unchanged"`
	DryRun    bool   `json:"dryRun"`
	Text      string `json:"text"`
}

func (s *Service) importAll(c echo.Context) error {
	if err := admit(c, nil); err != nil {
		return err
	}
	who := callerOf(c)
	if err := s.viewFor(who, func(t *txn) error { return t.adminsOnly("the import") }); err != nil {
		return err
	}
	dryRun, _ := rest.Bool(c.QueryParam("dryRun"))
	replace, _ := rest.Bool(c.QueryParam("replace"))
	im := &restoring{s: s, who: who, dryRun: dryRun, replace: replace, done: importedAll{DryRun: dryRun}, ids: map[string]string{}}
	size, most := exportStep, int64(MaxDirectoryBytes)
	if dryRun {
		size, most = math.MaxInt, MaxImportBytes // what a line refers to must be there: one transaction, taken back
	}
	emptied := dryRun || !replace
	err := readExport(http.MaxBytesReader(c.Response(), c.Request().Body, most), size, func(lines []numbered) error {
		if !emptied {
			if err := s.updateFor(who, (*txn).empty); err != nil {
				return err
			}
			emptied = true
		}
		return im.chunk(lines)
	})
	if err != nil {
		return err
	}
	done := im.done
	done.Text = fmt.Sprintf("%d lines: %d created, %d changed, %d as they were.", done.Lines, done.Created, done.Updated, done.Unchanged)
	return rest.One(c, "import", done)
}

// restoring is an import under way.
type restoring struct {
	s               *Service
	dryRun, replace bool

	// Changed by a chunk that is on disk, and by no other.
	who  caller // under another id when the import made the caller who the file says
	done importedAll
	ids  map[string]string // of the file → of who or what is there in its place
}

// numbered is a line and its place in the file.
type numbered struct {
	exportLine
	line int
}

// readExport calls take with the lines of a file, size of them at a time, as they come: a file is as long as a directory.
// Lines that cannot be read end it after those before them were taken.
func readExport(r io.Reader, size int, take func([]numbered) error) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxExportLine)
	var lines []numbered
	for n := 1; in.Scan(); n++ {
		text := bytes.TrimSpace(in.Bytes())
		if len(text) == 0 {
			continue
		}
		if n == 1 {
			if err := checkHeader(text); err != nil {
				return err
			}
			continue
		}
		l := numbered{line: n}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&l.exportLine); err != nil {
			return fault.New(fault.Invalid, "Line %d is not a JSON object of an export.", n)
		}
		if lines = append(lines, l); len(lines) == size {
			if err := take(lines); err != nil {
				return err
			}
			lines = lines[:0]
		}
	}
	if err := in.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fault.New(fault.TooLarge, "A line is longer than %d bytes.", maxExportLine)
	} else if err != nil {
		return err
	}
	return take(lines)
}

func checkHeader(text []byte) error {
	var h exportHeader
	if err := json.Unmarshal(text, &h); err != nil || h.Export != "xively blueprint" {
		return fault.New(fault.Invalid, "This is no export: its first line is not the header of one.")
	}
	if h.Form < 1 || h.Form > exportForm {
		return fault.New(fault.Invalid, "The export has the form %d; this server reads forms up to %d.", h.Form, exportForm)
	}
	return nil
}

func (im *restoring) chunk(lines []numbered) error {
	var next restoring
	var revoked []Revocation
	err := im.s.db.Update(func(tx *storage.Tx) error {
		next = *im
		next.ids = maps.Clone(im.ids)
		t := im.s.begin(tx, im.who.p)
		return t.as(im.who, func(t *txn) error {
			if im.dryRun && im.replace {
				if err := t.empty(); err != nil {
					return err
				}
			}
			for _, l := range lines {
				if err := next.line(t, l); err != nil {
					if f := (*fault.Error)(nil); errors.As(err, &f) {
						return &fault.Error{Kind: f.Kind, Field: f.Field, Message: fmt.Sprintf("Line %d, %s %s: %s", l.line, l.Kind, cut(l.ID, 40), f.Message)}
					}
					return err
				}
			}
			if im.dryRun {
				return errRefusedChunk
			}
			t.commit()
			revoked = t.revoked
			return nil
		})
	})
	if err != nil && !errors.Is(err, errRefusedChunk) {
		return err
	}
	*im = next
	im.s.revoke(revoked)
	return nil
}

// here is the id that something of the file has here.
func (im *restoring) here(id string) string {
	if other, known := im.ids[id]; known {
		return other
	}
	return id
}

func (im *restoring) line(t *txn, l numbered) error {
	im.done.Lines++
	switch l.Kind {
	case userKind:
		return im.user(t, l)
	case secretsKind:
		return im.secrets(t, l)
	case codeKind:
		return im.code(t, l)
	}
	k := t.byName[l.Kind]
	if k == nil || !slices.Contains(exported, l.Kind) && l.Kind != "mqttCredential" {
		return fault.New(fault.Invalid, "%s is no kind of an export.", quote(l.Kind))
	}
	if _, ok := parseID(l.ID); !ok {
		return fault.New(fault.Invalid, "The id is not a lower-case UUID.")
	}
	if k.one == "account" {
		if im.ids[l.ID] = t.account; !im.replace {
			im.done.Unchanged++
			return nil
		}
	}
	o, err := im.object(t, k, l)
	if err != nil {
		return err
	}
	if err := im.meet(t, k, o); err != nil {
		return err
	}
	old, err := load(t.tx, k, im.here(l.ID))
	if err != nil {
		return err
	}
	if old != nil && old.AccountID != t.account {
		return fault.New(fault.Conflict, "The id belongs to another account of this server.")
	}
	return im.put(t, k, old, o, l)
}

// object is a line's object as it will be here.
func (im *restoring) object(t *txn, k *kind, l numbered) (*object, error) {
	o := &object{ID: im.here(l.ID), AccountID: t.account, Created: l.Created, CreatedBy: im.here(l.CreatedBy),
		Modified: l.Modified, ModifiedBy: im.here(l.ModifiedBy), Revision: max(l.Revision, 1)}
	for i := range k.fields {
		f := &k.fields[i]
		if id, isText := l.Values[f.name].(string); isText && (f.refersTo() || f.name == "userId") {
			l.Values[f.name] = im.here(id)
		}
	}
	return o, t.importValues(k, o, l.Values)
}

// meet finds who or what of the account an object of the file is, though it has another id: an account user or end user
// by the person, a credential by its owner, and the default template of account users, which each account has from its
// beginning. With replace the file's takes its place.
func (im *restoring) meet(t *txn, k *kind, o *object) error {
	var by, value string
	switch {
	case k.one == "accountUser", k.one == "endUser":
		by, value = "userId", o.text("userId")
	case k.one == "mqttCredential":
		by, value = "entityId", o.text("entityId")
	case k.one == "accountUserTemplate" && o.text("default") == "true":
		by, value = "default", "true"
	}
	if value == "" {
		return nil
	}
	for r := range t.refsEqual(k, k.indexOn(by).code, value) {
		if r.id() == o.ID {
			return nil
		}
	}
	for r := range t.refsEqual(k, k.indexOn(by).code, value) {
		old, err := t.loadRef(k, r)
		if err != nil {
			return err
		}
		if !im.replace || k.one == "endUser" {
			im.ids[o.ID], o.ID = old.ID, old.ID
			return nil
		}
		return im.supersede(t, k, old, o)
	}
	return nil
}

// supersede puts an object of the file in the place of one of the account's own.
func (im *restoring) supersede(t *txn, k *kind, old, o *object) error {
	switch k.one {
	case "mqttCredential":
		t.dropSecrets(old.text("entityId"))
		t.revokeCredential(old, "an import brought another MQTT credential")
	case "accountUser":
		t.revokeEntity(k.one, old, "an import made the account user anew")
		if im.who.p.ID == old.ID {
			im.who.p.ID, t.p.ID, t.who.p.ID = o.ID, o.ID, o.ID
		}
	default:
		users := t.byName["accountUser"]
		err := t.eachRef(users, users.indexOn("accountUserTemplateId").code, old.ID, func(kk *kind, user *object) error {
			return t.keep(kk, user, "accountUserTemplateId", o.ID)
		})
		if err != nil {
			return err
		}
	}
	err := t.eachOwned(k, old.ID, func(kk *kind, owned *object) error { return t.takeOut(kk, owned) })
	if err != nil {
		return err
	}
	return t.takeOut(k, old)
}

// takeOut removes a live object as if it had never been.
func (t *txn) takeOut(k *kind, o *object) error {
	t.addCount(k, -1)
	if err := t.remove(k, o); err != nil {
		return err
	}
	gone := o.clone()
	gone.Deleted = t.at.UnixMilli()
	t.newEpoch = true
	t.tx.OnCommit(func() { t.finder.put(k, o, gone) })
	return nil
}

func (im *restoring) put(t *txn, k *kind, old, o *object, l numbered) error {
	if old != nil {
		was := old.clone()
		was.Deleted, was.DeletedWith, was.Values = 0, "", o.Values
		o = was
	}
	if old != nil && k.one == "accountUser" && old.text("role") == adminRole {
		o.set("role", adminRole) // an import takes nobody's rights away who is there
	}
	if old != nil && old.Deleted == 0 && sameValues(old, o) {
		im.done.Unchanged++
		return nil
	}
	if err := t.admit(k, old, o); err != nil {
		return err
	}
	if old == nil {
		im.done.Created++
	} else {
		im.done.Updated++
		o.touch(t.by, t.at)
	}
	if old == nil || old.Deleted != 0 {
		t.addCount(k, 1)
	}
	if err := t.store(k, old, o); err != nil {
		return err
	}
	if l.Seen != nil && old == nil {
		return t.putSeen(o, *l.Seen)
	}
	return nil
}

// putSeen stores when and from where a new device was connected last.
func (t *txn) putSeen(o *object, seen lastSeen) error {
	value, err := json.Marshal(seen)
	if err != nil {
		return fmt.Errorf("last connection of %s: encode: %w", o.ID, err)
	}
	id, _ := parseID(o.ID)
	t.tx.Bucket(seenBucket).Put(id[:], value)
	t.tx.OnCommit(func() { t.finder.set(o.AccountID, o.ID, seen.members()) })
	return nil
}

// user takes a person; one whose address is there is that one.
func (im *restoring) user(t *txn, l numbered) error {
	if t.identities == nil {
		return fault.New(fault.Unavailable, "This server cannot make identities now.")
	}
	profile, address := map[string]string{}, ""
	for name, v := range l.Values {
		s, _ := v.(string)
		if name == "emailAddress" {
			address = s
		} else {
			profile[name] = s
		}
	}
	if _, ok := parseID(l.ID); !ok {
		return fault.New(fault.Invalid, "The id is not a lower-case UUID.")
	}
	id, err := t.identities.RestoreUser(t.tx, t.account, l.ID, address, profile)
	if err == nil && id != l.ID {
		im.ids[l.ID] = id
	}
	return err
}

// importValues reads all members, also those that the server keeps.
func (t *txn) importValues(k *kind, o *object, values map[string]any) error {
	take := func(fields []field) error {
		for i := range fields {
			f := &fields[i]
			v, err := f.parse(values[f.name])
			if err != nil {
				return err
			}
			o.set(f.name, v)
		}
		return nil
	}
	if err := take(k.fields); err != nil {
		return err
	}
	custom, err := t.customFields(k, o)
	if err != nil {
		return err
	}
	return take(custom)
}

func (im *restoring) secrets(t *txn, l numbered) error {
	k := t.byName[l.Entity]
	if k == nil || !slices.Contains(credentialOwners, l.Entity) {
		return fault.New(fault.Invalid, "%s has no secrets.", quote(l.Entity))
	}
	entity, credential := im.here(l.ID), im.here(l.Credential)
	owner, err := t.find(k, entity)
	if err != nil {
		return err
	}
	if _, err := t.find(t.byName["mqttCredential"], credential); err != nil {
		return err
	}
	if err := checkHashes(l.Hashes); err != nil {
		return err
	}
	method, err := t.methodOf(owner.text("deviceTemplateId")) // people have none
	switch {
	case err != nil:
		return err
	case l.Certificate != nil:
		return im.certificate(t, owner, method, credential, l.Certificate)
	case method == byCertificate && len(l.Hashes) > 0:
		return fault.New(fault.Invalid, "%s signs in with a certificate, not with a secret.", quote(entity))
	}
	value, err := json.Marshal(secrets{Kind: l.Entity, AccountID: t.account, Credential: credential, Hashes: l.Hashes[:min(len(l.Hashes), secretsOfUser)]})
	if err != nil {
		return fmt.Errorf("secrets of %s: encode: %w", entity, err)
	}
	id, _ := parseID(entity)
	t.tx.Bucket(secretsBucket).Put(id[:], value)
	return nil
}

// certificate registers a device's. One that another device has here already stays with that: a file takes nothing from others.
func (im *restoring) certificate(t *txn, device *object, method, credential string, r *registration) error {
	switch {
	case method != byCertificate:
		return fault.New(fault.Invalid, "%s signs in with a secret, not with a certificate.", quote(device.ID))
	case len(r.Hash) != sha256.Size:
		return fault.New(fault.Invalid, "The SHA-256 of a certificate has %d bytes.", sha256.Size)
	case t.certificateTaken(device.ID, r):
		return nil
	}
	return t.register(device, &object{ID: credential, Values: map[string]any{"entityId": device.ID, "entityType": "device"}}, r)
}

func (im *restoring) code(t *txn, l numbered) error {
	if _, err := t.find(t.byName["device"], l.ID); err != nil {
		return err
	}
	if err := checkHashes(l.Hashes); err != nil || len(l.Hashes) != 1 {
		return cmpErr(err, fault.New(fault.Invalid, "An association code has one hash."))
	}
	t.dropCode(l.ID)
	return t.putCode(associationCode{DeviceID: l.ID, Expires: l.Expires}, l.Hashes[0])
}

func checkHashes(hashes [][]byte) error {
	for _, h := range hashes {
		if len(h) != 32 {
			return fault.New(fault.Invalid, "A hash has 32 bytes.")
		}
	}
	return nil
}

// empty takes everything that an export can bring out of the account, but the account, its users and their templates.
func (t *txn) empty() error {
	for _, name := range []string{"device", "endUser"} {
		if n := t.count(t.byName[name]); n > 0 {
			return fault.New(fault.Conflict, "Only an account without devices and end users can be replaced; this one has %s.", counted(n, t.byName[name].title))
		}
	}
	for _, name := range slices.Backward(exported) {
		if name == "account" || name == "accountUser" || name == "accountUserTemplate" {
			continue
		}
		k := t.byName[name]
		for _, r := range slices.Collect(t.refsEqual(k, indexAll, "")) {
			o, err := t.loadRef(k, r)
			if err != nil {
				return err
			}
			if err := t.takeOut(k, o); err != nil {
				return err
			}
		}
	}
	return nil
}
