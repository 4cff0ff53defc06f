package blueprint

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest"
	"xively/storage"
)

// The audit trail: every change of every object, in the transaction that makes it. It has the members that changed as
// they were and as they became; secrets are not among an object's members.

// auditEntry is one change, as stored and as shown.
type auditEntry struct {
	ID       string         `json:"id"`
	At       string         `json:"at"`
	By       string         `json:"by"`     // the identity, or the id of a caller without one
	ByType   string         `json:"byType"` // "accountUser", "endUser", "device", "platform"
	ByID     string         `json:"byId"`   // the directory's object behind it; "" for the platform
	ByName   string         `json:"byName"`
	Remote   string         `json:"remote"` // address it came from, "" when from the platform
	Action   string         `json:"action"` // create, update, delete, recover
	Kind     string         `json:"kind"`
	ObjectID string         `json:"objectId"`
	Name     string         `json:"name"`
	Version  string         `json:"version"` // of the object after it
	Before   map[string]any `json:"before"`  // changed members; null where there was no value
	After    map[string]any `json:"after"`
}

const (
	auditBucket   = "blueprint.audit"
	auditOfBucket = "blueprint.auditof"
)

const auditCode = 0xF0 // its place in blueprint.counts

// record writes a change into the trail.
func (t *txn) record(k *kind, old, o *object) error {
	e := auditEntry{At: timeText(t.at.UnixMilli()), By: t.by, ByType: "platform", Remote: t.remote,
		Action: "update", Kind: k.one, ObjectID: o.ID, Name: nameOf(k, o), Version: o.version()}
	if t.p.Authenticated() {
		e.ByType, e.ByID, e.ByName = t.p.Kind.String(), t.p.ID, t.p.String()
	}
	if t.name != "" {
		e.ByName = t.name
	}
	switch {
	case old == nil:
		e.Action = "create"
	case gone(old, o):
		e.Action = "delete"
	case back(old, o):
		e.Action = "recover"
	}
	e.Before, e.After = changes(old, o)
	t.announce(k, o, &e)
	if e.Action == "update" && len(e.After) == 0 {
		return nil // a rotated credential: the version changed and nothing that can be shown
	}
	return t.note(&e)
}

// Audit writes a change that another module makes for p's account as a whole into the trail and tells OnChange of it, in
// the transaction that makes it. what says what of the account was changed; before and after are the members that were,
// nil where there was no value. Such a change cannot be undone by the trail.
func (s *Service) Audit(tx *storage.Tx, p auth.Principal, remote, what string, before, after map[string]any) error {
	return s.begin(tx, p).as(caller{p, remote}, func(t *txn) error {
		e := auditEntry{At: timeText(t.at.UnixMilli()), By: t.by, ByType: p.Kind.String(), ByID: p.ID, ByName: t.name, Remote: remote,
			Action: "update", Kind: "account", ObjectID: t.account, Name: what, Before: before, After: after}
		if tell := t.onChange; tell != nil {
			c := Change{AccountID: t.account, Action: e.Action, Kind: e.Kind, Title: e.Kind, ID: e.ObjectID, Name: what,
				By: e.ByName, ByType: e.ByType, ByID: e.ByID, Remote: remote, Members: slices.Sorted(maps.Keys(after))}
			tx.OnCommit(func() { tell(c) })
		}
		return t.note(&e)
	})
}

// note stores an entry and gives it its id.
func (t *txn) note(e *auditEntry) error {
	b := t.tx.Bucket(auditBucket)
	seq := b.NextID()
	tail := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(t.at.UnixMilli())), seq)
	e.ID = hex.EncodeToString(tail[:8]) + "-" + hex.EncodeToString(tail[8:]) // nobody shall take it for an object's id
	value, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("audit of %s %s: encode: %w", e.Kind, e.ObjectID, err)
	}
	account, _ := parseID(t.account)
	b.Put(append(account[:], tail...), value)
	id, _ := parseID(e.ObjectID)
	t.tx.Bucket(auditOfBucket).Put(append(append(account[:], id[:]...), tail...), nil)
	t.addCountOf(auditCode, 1)
	return nil
}

// Change tells of a change of an object that is on disk.
type Change struct {
	AccountID        string
	Action           string // create, update, delete, recover
	Kind, Title      string // "deviceTemplate", "device template"
	ID, Name         string
	DeviceTemplateID string // of a device
	OrganizationID   string // of a device or end user
	OwnerKind        string // "device": whose credential it is; "" for other kinds
	OwnerID          string
	By, ByType, ByID string   // by whom: a name for people, "accountUser" or "platform", the object behind it
	Remote           string   // where the request came from, "" when from the platform
	Members          []string // that were set or changed, sorted; none when only a secret was
}

// OnChange registers the function that hears of every change, in the order of the commits. It is called on the committer's
// goroutine and must not block. Call it before the service is used.
func (s *Service) OnChange(fn func(Change)) { s.onChange = fn }

func (t *txn) announce(k *kind, o *object, e *auditEntry) {
	tell := t.onChange
	if tell == nil {
		return
	}
	c := Change{AccountID: t.account, Action: e.Action, Kind: k.one, Title: k.title, ID: o.ID, Name: e.Name,
		By: e.ByName, ByType: e.ByType, ByID: e.ByID, Remote: e.Remote, Members: slices.Sorted(maps.Keys(e.After))}
	switch k.one {
	case "device":
		c.DeviceTemplateID, c.OrganizationID = o.text("deviceTemplateId"), o.text("organizationId")
	case "endUser":
		c.OrganizationID = o.text("organizationId")
	case "mqttCredential":
		c.OwnerKind, c.OwnerID = o.text("entityType"), o.text("entityId")
	}
	t.tx.OnCommit(func() { tell(c) })
}

// changes are the members in which two states differ. Of a deleted object there are none.
func changes(old, o *object) (before, after map[string]any) {
	before, after = map[string]any{}, map[string]any{}
	var was map[string]any
	if old != nil {
		was = old.Values
	}
	for name, v := range o.Values {
		if !reflect.DeepEqual(was[name], v) {
			before[name], after[name] = was[name], v
		}
	}
	for name, v := range was {
		if _, still := o.Values[name]; !still {
			before[name], after[name] = v, nil
		}
	}
	return before, after
}

// auditQuery selects entries; zero members select all.
type auditQuery struct {
	object, kind, by, action, text string
	from, to                       int64 // [from, to)
}

func (q *auditQuery) matches(e *auditEntry, raw []byte) bool {
	return (q.kind == "" || e.Kind == q.kind) && (q.action == "" || e.Action == q.action) &&
		(q.by == "" || e.By == q.by || e.ByID == q.by) &&
		(q.text == "" || strings.Contains(strings.ToLower(string(raw)), strings.ToLower(q.text)))
}

func (q *auditQuery) plain() bool { return *q == auditQuery{} }

// maxAuditScan bounds how many entries one search looks at, the newest first.
const maxAuditScan = 200_000

// auditList returns a page of the trail, newest first unless ascending is asked for, and how many entries match.
func (t *txn) auditList(q auditQuery, p rest.Page, ascending bool) ([]auditEntry, int, error) {
	var page []auditEntry
	var failed error
	total, seen := 0, 0
	stopEarly := q.plain()
	for raw := range t.auditEntries(q, ascending) {
		if seen++; seen > maxAuditScan {
			break
		}
		var e auditEntry
		if err := json.Unmarshal(raw, &e); err != nil {
			failed = fmt.Errorf("audit entry: decode: %w", err)
			break
		}
		if !q.matches(&e, raw) {
			continue
		}
		if total++; total > p.Offset() && len(page) < p.PageSize {
			page = append(page, e)
		}
		if stopEarly && len(page) == p.PageSize {
			break
		}
	}
	if stopEarly {
		total = t.countOf(auditCode)
	}
	return page, total, failed
}

// auditEntries yields the stored entries of a query's object and time.
func (t *txn) auditEntries(q auditQuery, ascending bool) func(yield func([]byte) bool) {
	account, _ := parseID(t.account)
	prefix := account[:]
	bucket := t.tx.Bucket(auditBucket)
	if q.object != "" {
		id, _ := parseID(q.object)
		prefix = append(slices.Clone(prefix), id[:]...)
		bucket = t.tx.Bucket(auditOfBucket)
	}
	to := q.to
	if to == 0 {
		to = 1 << 62
	}
	low := binary.BigEndian.AppendUint64(slices.Clone(prefix), uint64(q.from))
	high := binary.BigEndian.AppendUint64(slices.Clone(prefix), uint64(to))
	keys := bucket.ScanDown(low, high)
	if ascending {
		keys = bucket.Scan(low, high)
	}
	return func(yield func([]byte) bool) {
		for key, value := range keys {
			if q.object != "" {
				value = t.tx.Bucket(auditBucket).Get(append(slices.Clone(account[:]), key[len(key)-16:]...))
			}
			if value != nil && !yield(value) {
				return
			}
		}
	}
}

func (t *txn) auditEntry(id string) (*auditEntry, error) {
	when, number, _ := strings.Cut(id, "-")
	tail, err := hex.DecodeString(when + number)
	account, _ := parseID(t.account)
	var value []byte
	if err == nil && len(tail) == 16 {
		value = t.tx.Bucket(auditBucket).Get(append(account[:], tail...))
	}
	if value == nil {
		return nil, fault.New(fault.NotFound, "There is no audit entry with this id.")
	}
	e := new(auditEntry)
	if err := json.Unmarshal(value, e); err != nil {
		return nil, fmt.Errorf("audit entry %s: decode: %w", id, err)
	}
	return e, nil
}

// undo puts back what a change changed. What has been changed again since is not overwritten: Conflict names it.
func (t *txn) undo(id string) (*kind, *object, error) {
	e, err := t.auditEntry(id)
	if err != nil {
		return nil, nil, err
	}
	k := t.byName[e.Kind]
	if k == nil {
		return nil, nil, fault.New(fault.Unprocessable, "This change cannot be undone.")
	}
	switch e.Action {
	case "delete":
		o, err := t.recover(k, e.ObjectID)
		return k, o, err
	case "update":
	default:
		return nil, nil, fault.New(fault.Unprocessable, "Only an update or a delete can be undone; delete the object to undo its %s.", e.Action)
	}
	now, err := t.find(k, e.ObjectID)
	if err != nil {
		return nil, nil, err
	}
	in := map[string]any{}
	for name, was := range e.Before {
		if f := k.field(name); f != nil && (f.kept || f.fixed) {
			return nil, nil, fault.New(fault.Unprocessable, "%s is kept by the server and cannot be put back.", name)
		}
		if v := now.Values[name]; !sameJSON(v, e.After[name]) {
			return nil, nil, &fault.Error{Kind: fault.Conflict, Field: name,
				Message: name + " was changed again since; undo the later change first."}
		}
		in[name] = number2JSON(was)
	}
	o, err := t.update(k, e.ObjectID, "", in)
	return k, o, err
}

func sameJSON(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

// number2JSON makes a decoded number what a request's would be.
func number2JSON(v any) any {
	if n, ok := v.(float64); ok {
		text, _ := json.Marshal(n)
		return json.Number(text)
	}
	return v
}

// forgetAudit removes up to most entries of an account that are older than before, and reports whether there were more.
func (t *txn) forgetAudit(before time.Time, most int) bool {
	account, _ := parseID(t.account)
	high := binary.BigEndian.AppendUint64(slices.Clone(account[:]), uint64(before.UnixMilli()))
	var keys [][]byte
	var objects []string
	for key, value := range t.tx.Bucket(auditBucket).Scan(account[:], high) {
		var e auditEntry
		_ = json.Unmarshal(value, &e) // what cannot be read is forgotten all the same
		keys, objects = append(keys, slices.Clone(key)), append(objects, e.ObjectID)
		if len(keys) == most {
			break
		}
	}
	for i, key := range keys {
		t.tx.Bucket(auditBucket).Delete(key)
		if id, ok := parseID(objects[i]); ok {
			t.tx.Bucket(auditOfBucket).Delete(append(append(slices.Clone(account[:]), id[:]...), key[16:]...))
		}
	}
	if len(keys) > 0 {
		t.addCountOf(auditCode, -len(keys))
	}
	return len(keys) == most
}
