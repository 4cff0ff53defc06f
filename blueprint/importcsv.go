package blueprint

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"xively/internal/fault"
	"xively/storage"
)

// Import of devices from CSV. The first line names the columns: fields of devices, custom ones too, and
//
//	template            name of the device template, in place of deviceTemplateId
//	organization        path of names, "Acme / Home / Upstairs", in place of organizationId
//	certificate         PEM, for a device that signs in with one: it is registered in place of the one before
//
// Other names are refused, so that a typing error does not lose a column; a mapping can rename columns and leave some out.
// A row whose serialNumber exists changes that device, and an empty cell leaves its field alone: the same file twice
// gives the same directory. Rows are taken in chunks; a chunk is one transaction, all or nothing, and the report names
// the rows that were refused and why.
const (
	importChunk     = 500
	maxImportRows   = 1_000_000
	maxImportErrors = 1000 // kept in a report; the rest is counted
)

// importOptions say how to read the file.
type importOptions struct {
	dryRun      bool              // judge everything, keep nothing
	credentials bool              // a secret for every device that is made and signs in with one, in the report, once
	makeGroups  bool              // organizations of a path that do not exist are made
	template    string            // id of the device template of rows that name none
	group       string            // id of the organization of new devices whose rows name none
	columns     map[string]string // column of the file -> column as above; "" leaves it out
}

// importReport tells how far an import is and what it did.
type importReport struct {
	ID        string        `json:"id"`
	State     string        `json:"state"` // running, done, failed
	DryRun    bool          `json:"dryRun"`
	Started   string        `json:"started"`
	Finished  *string       `json:"finished"`
	Rows      int           `json:"rows"` // looked at so far
	TotalRows int           `json:"totalRows"`
	Created   int           `json:"created"`
	Updated   int           `json:"updated"`
	Unchanged int           `json:"unchanged"`
	Refused   int           `json:"refused"` // rows with an error
	Skipped   int           `json:"skipped"` // good rows in a chunk with a refused one
	Errors    []importError `json:"errors"`
	Secrets   []importedKey `json:"credentials,omitempty"`
	Text      string        `json:"text"`

	Certificates       int `json:"certificates"`       // registered
	WithoutCertificate int `json:"withoutCertificate"` // created, and they sign in with one that the file does not have
}

type importError struct {
	Row          int    `json:"row"` // as an editor counts lines of the file: the first row of data is 2
	SerialNumber string `json:"serialNumber"`
	Field        string `json:"field,omitempty"`
	Text         string `json:"text"`
}

type importedKey struct {
	DeviceID     string `json:"deviceId"`
	SerialNumber string `json:"serialNumber"`
	Secret       string `json:"secret"`
}

// importRow is one row, its cells under their columns' names.
type importRow struct {
	line  int
	cells map[string]any
}

func (r importRow) serial() string {
	s, _ := r.cells["serialNumber"].(string)
	return s
}

// readCSV reads the whole file; what is wrong with its form is found here.
func readCSV(r io.Reader, opt importOptions) ([]importRow, error) {
	in := csv.NewReader(r)
	in.ReuseRecord = true
	in.LazyQuotes = false
	header, err := in.Read()
	if err != nil {
		return nil, csvError(err)
	}
	header = slices.Clone(header)
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	columns := make([]string, len(header))
	for i, name := range header {
		name = strings.TrimSpace(name)
		mapped, ok := opt.columns[name]
		if !ok {
			mapped = name
		}
		if mapped != "" && slices.Contains(columns[:i], mapped) {
			return nil, fault.New(fault.Invalid, "Two columns are %s; map one of them to nothing.", quote(mapped))
		}
		columns[i] = mapped
	}
	if !slices.Contains(columns, "serialNumber") {
		return nil, fault.New(fault.Invalid, "No column is serialNumber; the columns are: %s. Name one so, or map one to it.", strings.Join(header, ", "))
	}
	var rows []importRow
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, csvError(err)
		}
		if len(rows) == maxImportRows {
			return nil, fault.New(fault.TooLarge, "The file has more than %d rows; import it in parts.", maxImportRows)
		}
		line, _ := in.FieldPos(0)
		row := importRow{line, make(map[string]any, len(columns))}
		for i, cell := range record {
			if cell = strings.TrimSpace(cell); cell != "" && columns[i] != "" {
				row.cells[columns[i]] = strings.Clone(cell)
			}
		}
		rows = append(rows, row)
	}
}

func csvError(err error) error {
	var p *csv.ParseError
	switch {
	case errors.As(err, &p):
		return fault.New(fault.Invalid, "The file is not CSV at line %d: %v.", p.Line, p.Err)
	case errors.Is(err, io.EOF):
		return fault.New(fault.Invalid, "The file is empty; its first line must name the columns.")
	}
	return err
}

// importer takes rows into the directory on behalf of a caller.
type importer struct {
	s      *Service
	c      caller
	opt    importOptions
	report func(func(*importReport)) // changes the report under its lock
	seen   map[string]int            // serial number -> line, to find doubles within the file
}

// refusedChunk undoes a chunk's transaction.
var errRefusedChunk = errors.New("chunk refused")

// run takes all rows, chunk after chunk. The error is one that ends the import, not one of a row.
func (im *importer) run(rows []importRow, stop <-chan struct{}) error {
	for chunk := range slices.Chunk(rows, importChunk) {
		select {
		case <-stop:
			return fault.New(fault.Unavailable, "The server was stopped. Send the file again: what is there is found by its serial number.")
		default:
		}
		if err := im.chunk(chunk); err != nil {
			return err
		}
	}
	return nil
}

func (im *importer) chunk(rows []importRow) error {
	var tally importReport
	once := func(tx *storage.Tx) (err error) {
		t := im.s.begin(tx, im.c.p)
		if err = t.as(im.c, func(t *txn) error { return im.rows(t, rows, &tally) }); err != nil {
			return err
		}
		if tally.Refused > 0 || im.opt.dryRun {
			return errRefusedChunk
		}
		t.commit()
		return nil
	}
	err := im.s.db.Update(once)
	if err != nil && !errors.Is(err, errRefusedChunk) {
		return err
	}
	if tally.Refused > 0 {
		tally.Skipped = len(rows) - tally.Refused
		tally.Created, tally.Updated, tally.Unchanged, tally.Secrets = 0, 0, 0, nil
		tally.Certificates, tally.WithoutCertificate = 0, 0
	}
	im.report(func(r *importReport) { r.add(len(rows), &tally) })
	return nil
}

func (r *importReport) add(rows int, n *importReport) {
	r.Rows += rows
	r.Created, r.Updated, r.Unchanged = r.Created+n.Created, r.Updated+n.Updated, r.Unchanged+n.Unchanged
	r.Refused, r.Skipped = r.Refused+n.Refused, r.Skipped+n.Skipped
	r.Errors = append(r.Errors, n.Errors[:min(len(n.Errors), maxImportErrors-len(r.Errors))]...)
	r.Secrets = append(r.Secrets, n.Secrets...)
	r.Certificates, r.WithoutCertificate = r.Certificates+n.Certificates, r.WithoutCertificate+n.WithoutCertificate
}

// rows takes a chunk's rows and goes on after a refused one, so that the report has them all.
func (im *importer) rows(t *txn, rows []importRow, tally *importReport) error {
	places := places{t: t, make: im.opt.makeGroups, groups: map[string]string{}, templates: map[string]string{}, children: map[string]map[string][]string{}}
	for _, row := range rows {
		err := im.row(t, &places, row, tally)
		switch {
		case err == nil:
		case fault.KindOf(err) == fault.Internal, fault.KindOf(err) == fault.Unavailable:
			return err
		default:
			e := importError{Row: row.line, SerialNumber: row.serial(), Text: err.Error()}
			if f := (*fault.Error)(nil); errors.As(err, &f) {
				e.Field, e.Text = f.Field, f.Message
			}
			tally.Refused++
			tally.Errors = append(tally.Errors, e)
		}
	}
	return nil
}

func (im *importer) row(t *txn, places *places, row importRow, tally *importReport) error {
	serial := row.serial()
	if first, twice := im.seen[serial]; twice && serial != "" {
		return fault.Field("serialNumber", "The file has this serial number twice, first at line %d.", first)
	}
	im.seen[serial] = row.line
	k := t.byName["device"]
	in, err := places.resolve(k, row.cells)
	if err != nil {
		return err
	}
	for r := range t.refsEqual(k, k.indexOn("serialNumber").code, serial) {
		old, err := t.loadRef(k, r)
		if err != nil {
			return err
		}
		template, _ := in["deviceTemplateId"].(string)
		sealed, certificate, err := im.certificate(t, cmp.Or(template, old.text("deviceTemplateId")), in)
		if err != nil {
			return err
		}
		if err := im.known(t, k, old, in); err != nil {
			return err
		}
		o, err := t.update(k, r.id(), "", in)
		if err != nil {
			return err
		}
		registered := false
		if sealed && certificate != "" {
			if registered, err = im.register(t, o, certificate, tally); err != nil {
				return err
			}
		}
		switch {
		case o.Revision == old.Revision && !registered:
			tally.Unchanged++
		default:
			tally.Updated++
		}
		return nil
	}
	if in["deviceTemplateId"] == nil && im.opt.template != "" {
		in["deviceTemplateId"] = im.opt.template
	}
	if in["organizationId"] == nil && im.opt.group != "" {
		in["organizationId"] = im.opt.group
	}
	template, _ := in["deviceTemplateId"].(string)
	sealed, certificate, err := im.certificate(t, template, in)
	if err != nil {
		return err
	}
	if err := im.known(t, k, &object{Values: map[string]any{"deviceTemplateId": template}}, in); err != nil {
		return err
	}
	o, err := t.create(k, in)
	if err != nil {
		return err
	}
	tally.Created++
	switch {
	case sealed && certificate == "":
		tally.WithoutCertificate++
		return nil
	case sealed:
		_, err := im.register(t, o, certificate, tally)
		return err
	case !im.opt.credentials:
		return nil
	}
	shape, err := t.issue(map[string]any{"entityId": o.ID, "entityType": "device"})
	if err == nil {
		tally.Secrets = append(tally.Secrets, importedKey{o.ID, serial, shape["secret"].(string)})
	}
	return err
}

// certificate says whether a device of the template signs in with a certificate, and takes the row's cell with it out of in.
// For another device it may be a field of its own.
func (im *importer) certificate(t *txn, template string, in map[string]any) (sealed bool, text string, err error) {
	method, err := t.methodOf(template)
	if err != nil || method != byCertificate {
		return false, "", err
	}
	text, _ = in["certificate"].(string)
	delete(in, "certificate")
	return true, text, nil
}

// register has a device sign in with the certificate of its row, and reports whether it is another one than before.
func (im *importer) register(t *txn, device *object, text string, tally *importReport) (bool, error) {
	cert, err := parseCertificate(text)
	if err != nil {
		return false, err
	}
	known, err := loadSecrets(t.tx, device.ID)
	if err != nil {
		return false, err
	}
	if c := known.Certificate; c != nil && bytes.Equal(c.Hash, registrationOf(cert).Hash) {
		return false, nil
	}
	if _, err := t.issue(map[string]any{"entityId": device.ID, "entityType": "device", "certificate": text}); err != nil {
		return false, err
	}
	tally.Certificates++
	return true, nil
}

// known refuses columns that are no fields of the row's device.
func (im *importer) known(t *txn, k *kind, o *object, in map[string]any) error {
	fields, err := t.fields(k, o)
	if err != nil {
		return err
	}
	for name := range in {
		if !slices.ContainsFunc(fields, func(f field) bool { return f.name == name }) {
			if name == "certificate" {
				return fault.Field(name, "A device of this template signs in with a secret; take the cell out.")
			}
			return fault.Field(name, "A device of this template has no such field; make it a custom field of the template, rename the column, or leave it out.")
		}
	}
	return nil
}

// places finds organizations and templates by name, within one transaction.
type places struct {
	t         *txn
	make      bool
	groups    map[string]string // path -> id
	templates map[string]string
	children  map[string]map[string][]string // by parent, by name: ids
}

// resolve puts ids in the place of names.
func (p *places) resolve(k *kind, cells map[string]any) (map[string]any, error) {
	in := maps.Clone(cells)
	if name, ok := in["template"].(string); ok {
		id, err := p.template(name)
		if err != nil {
			return nil, err
		}
		delete(in, "template")
		in["deviceTemplateId"] = id
	}
	if path, ok := in["organization"].(string); ok {
		id, err := p.group(path)
		if err != nil {
			return nil, err
		}
		delete(in, "organization")
		in["organizationId"] = id
	}
	return in, nil
}

func (p *places) template(name string) (string, error) {
	if id := p.templates[name]; id != "" {
		return id, nil
	}
	k := p.t.byName["deviceTemplate"]
	for r := range p.t.refsEqual(k, k.indexOn("name").code, name) {
		if p.templates[name] != "" {
			return "", fault.Field("template", "Two device templates are named %s; use deviceTemplateId.", quote(name))
		}
		p.templates[name] = r.id()
	}
	if p.templates[name] == "" {
		return "", fault.Field("template", "There is no device template named %s.", quote(name))
	}
	return p.templates[name], nil
}

func (p *places) group(path string) (string, error) {
	if id := p.groups[path]; id != "" {
		return id, nil
	}
	parent := ""
	for _, name := range strings.Split(path, "/") {
		id, err := p.child(parent, strings.TrimSpace(name), path)
		if err != nil {
			return "", err
		}
		parent = id
	}
	p.groups[path] = parent
	return parent, nil
}

func (p *places) child(parent, name, path string) (string, error) {
	t, k := p.t, p.t.byName["organization"]
	if err := p.learn(k, parent); err != nil {
		return "", err
	}
	found := p.children[parent][name]
	switch {
	case len(found) > 1:
		return "", fault.Field("organization", "Two organizations are named %s in %s; use organizationId.", quote(name), quote(path))
	case len(found) == 1:
		return found[0], nil
	case !p.make || name == "":
		return "", fault.Field("organization", "There is no organization %s in the path %s.", quote(name), quote(path))
	}
	in := map[string]any{"name": name}
	if parent != "" {
		in["parentId"] = parent
	}
	templates := t.byName["organizationTemplate"]
	for r := range t.refsEqual(templates, templates.indexOn("default").code, "true") {
		in["organizationTemplateId"] = r.id()
	}
	o, err := t.create(k, in)
	if err != nil {
		return "", err
	}
	p.children[parent][name] = []string{o.ID}
	return o.ID, nil
}

// learn reads the names below an organization, once.
func (p *places) learn(k *kind, parent string) error {
	if p.children[parent] != nil {
		return nil
	}
	names := map[string][]string{}
	for r := range p.t.refsEqual(k, k.indexOn("parentId").code, parent) {
		o, err := p.t.loadRef(k, r)
		if err != nil {
			return err
		}
		names[o.text("name")] = append(names[o.text("name")], o.ID)
	}
	p.children[parent] = names
	return nil
}

// summary is the report in one sentence.
func (r *importReport) summary(took time.Duration) string {
	verb := ""
	if r.DryRun {
		verb = "would be "
	}
	text := fmt.Sprintf("%d of %d rows in %v: %d %screated, %d %schanged, %d as they were, %d refused, %d left out because others of their chunk were refused.",
		r.Rows, r.TotalRows, took.Round(10*time.Millisecond), r.Created, verb, r.Updated, verb, r.Unchanged, r.Refused, r.Skipped)
	if r.WithoutCertificate > 0 {
		text += fmt.Sprintf(" Of those created, %d sign in with a certificate that the file does not have.", r.WithoutCertificate)
	}
	return text
}
