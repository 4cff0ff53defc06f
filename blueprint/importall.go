package blueprint

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
	"xively/internal/rest"
	"xively/storage"
)

// importAll takes a file of /export. Objects keep their ids, so that topics, links and secrets go on; an id that is
// there already in this account is brought to what the file says, and one of another account is refused. With replace
// the account is emptied first, which is allowed only while it has no device and no end user. Lines are taken in chunks,
// each all or nothing; the first refused line ends the import, as what follows may refer to it.

const maxExportLine = 1 << 20

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
	lines, err := readExport(http.MaxBytesReader(c.Response(), c.Request().Body, MaxImportBytes))
	if err != nil {
		return err
	}
	done := importedAll{DryRun: dryRun}
	if replace && !dryRun {
		if err := s.updateFor(who, (*txn).empty); err != nil {
			return err
		}
	}
	size := exportStep
	if dryRun {
		size = max(len(lines), 1) // what a line refers to must be there: one transaction, taken back
	}
	for chunk := range slices.Chunk(lines, size) {
		if err := s.importLines(who, chunk, &done, replace); err != nil {
			return err
		}
	}
	done.Text = fmt.Sprintf("%d lines: %d created, %d changed, %d as they were.", done.Lines, done.Created, done.Updated, done.Unchanged)
	return rest.One(c, "import", done)
}

// numbered is a line and its place in the file.
type numbered struct {
	exportLine
	line int
}

func readExport(r io.Reader) ([]numbered, error) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxExportLine)
	var lines []numbered
	for n := 1; in.Scan(); n++ {
		text := bytes.TrimSpace(in.Bytes())
		if len(text) == 0 {
			continue
		}
		if n == 1 {
			var h exportHeader
			if err := json.Unmarshal(text, &h); err != nil || h.Export != "xively blueprint" {
				return nil, fault.New(fault.Invalid, "This is no export: its first line is not the header of one.")
			}
			if h.Form != exportForm {
				return nil, fault.New(fault.Invalid, "The export has the form %d; this server reads form %d.", h.Form, exportForm)
			}
			continue
		}
		l := numbered{line: n}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&l.exportLine); err != nil {
			return nil, fault.New(fault.Invalid, "Line %d is not a JSON object of an export.", n)
		}
		lines = append(lines, l)
	}
	if err := in.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fault.New(fault.TooLarge, "A line is longer than %d bytes.", maxExportLine)
	} else if err != nil {
		return nil, err
	}
	return lines, nil
}

func (s *Service) importLines(who caller, lines []numbered, done *importedAll, replace bool) error {
	tally := *done
	err := s.db.Update(func(tx *storage.Tx) error {
		tally = *done
		t := s.begin(tx, who.p)
		return t.as(who, func(t *txn) error {
			if done.DryRun && replace {
				if err := t.empty(); err != nil {
					return err
				}
			}
			for _, l := range lines {
				if err := t.importLine(l, &tally); err != nil {
					if f := (*fault.Error)(nil); errors.As(err, &f) {
						return &fault.Error{Kind: f.Kind, Field: f.Field, Message: fmt.Sprintf("Line %d, %s %s: %s", l.line, l.Kind, cut(l.ID, 40), f.Message)}
					}
					return err
				}
			}
			if done.DryRun {
				return errRefusedChunk
			}
			t.commit()
			return nil
		})
	})
	if err != nil && !errors.Is(err, errRefusedChunk) {
		return err
	}
	*done = tally
	return nil
}

func (t *txn) importLine(l numbered, tally *importedAll) error {
	tally.Lines++
	if l.Kind == secretsKind {
		return t.importSecrets(l)
	}
	k := t.byName[l.Kind]
	if k == nil || !slices.Contains(exported, l.Kind) && l.Kind != "mqttCredential" {
		return fault.New(fault.Invalid, "%s is no kind of an export.", quote(l.Kind))
	}
	if _, ok := parseID(l.ID); !ok {
		return fault.New(fault.Invalid, "The id is not a lower-case UUID.")
	}
	old, err := load(t.tx, k, l.ID)
	if err != nil {
		return err
	}
	if old != nil && old.AccountID != t.account {
		return fault.New(fault.Conflict, "The id belongs to another account of this server.")
	}
	o := &object{ID: l.ID, AccountID: t.account, Created: l.Created, CreatedBy: l.CreatedBy, Modified: l.Modified, ModifiedBy: l.ModifiedBy, Revision: max(l.Revision, 1)}
	if old != nil {
		o = old.clone()
		o.Deleted, o.DeletedWith, o.Values = 0, "", nil
	}
	if err := t.importValues(k, o, l.Values); err != nil {
		return err
	}
	if old != nil && old.Deleted == 0 && sameValues(old, o) {
		tally.Unchanged++
		return nil
	}
	if err := t.admit(k, old, o); err != nil {
		return err
	}
	if old == nil {
		tally.Created++
	} else {
		tally.Updated++
		o.touch(t.by, t.at)
	}
	if old == nil || old.Deleted != 0 {
		t.addCount(k, 1)
	}
	return t.store(k, old, o)
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

func (t *txn) importSecrets(l numbered) error {
	k := t.byName[l.Entity]
	if k == nil || !slices.Contains(credentialOwners, l.Entity) {
		return fault.New(fault.Invalid, "%s has no secrets.", quote(l.Entity))
	}
	if _, err := t.find(k, l.ID); err != nil {
		return err
	}
	if _, err := t.find(t.byName["mqttCredential"], l.Credential); err != nil {
		return err
	}
	for _, h := range l.Hashes {
		if len(h) != 32 {
			return fault.New(fault.Invalid, "A hash has 32 bytes.")
		}
	}
	value, err := json.Marshal(secrets{Kind: l.Entity, AccountID: t.account, Credential: l.Credential, Hashes: l.Hashes[:min(len(l.Hashes), secretsOfUser)]})
	if err != nil {
		return fmt.Errorf("secrets of %s: encode: %w", l.ID, err)
	}
	id, _ := parseID(l.ID)
	t.tx.Bucket(secretsBucket).Put(id[:], value)
	return nil
}

// empty takes everything that an export can bring out of the account.
func (t *txn) empty() error {
	for _, name := range []string{"device", "endUser"} {
		if n := t.count(t.byName[name]); n > 0 {
			return fault.New(fault.Conflict, "Only an account without devices and end users can be replaced; this one has %s.", counted(n, t.byName[name].title))
		}
	}
	for _, name := range slices.Backward(exported) {
		k := t.byName[name]
		for _, r := range slices.Collect(t.refsEqual(k, indexAll, "")) {
			o, err := t.loadRef(k, r)
			if err != nil {
				return err
			}
			t.addCount(k, -1)
			if err := t.remove(k, o); err != nil {
				return err
			}
			gone := o.clone()
			gone.Deleted = t.at.UnixMilli()
			t.tx.OnCommit(func() { t.finder.put(k, o, gone) })
		}
	}
	t.newEpoch = true
	return nil
}
