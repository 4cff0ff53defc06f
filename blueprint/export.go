package blueprint

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/rest"
)

// Export for admins:
//
//	GET  /export[?credentials=true]   the directory as NDJSON: a header line, the people, then a line for each object, in
//	                                  an order in which nothing comes before what it refers to
//	POST /import[?replace=true&dryRun=true]   takes such a file (importall.go)
//	GET  /devices/export[?filters as in a list]  devices as CSV, in the form that /devices/import takes
//
// In it are all nouns of the directory, the people behind account users and end users (address and names), and when and
// from where devices were connected last. By nature it leaves out
//
//   - passwords, second factors, sessions, API keys, application credentials and OpenID providers with their links: people
//     choose a new password by the forgotten-password page, the rest is made anew;
//   - MQTT secrets and association codes, unless credentials=true asks for their hashes, with which devices go on without
//     a new secret and printed codes stay good;
//   - what was deleted, and the audit trail: it tells of changes made here.
//
// The file is written in steps of exportStep objects, each as it is at that moment.
const exportStep = 1000

const exportForm = 2 // version of the file's form; 1 had no account, account users and people

// exportHeader is the first line.
type exportHeader struct {
	Export    string `json:"export"` // "xively blueprint"
	Form      int    `json:"form"`
	AccountID string `json:"accountId"`
	At        string `json:"at"`
}

// exportLine is an object, or the hashes of an entity's secrets.
type exportLine struct {
	Kind       string         `json:"kind"`
	ID         string         `json:"id"`
	Created    int64          `json:"created,omitempty"`
	CreatedBy  string         `json:"createdBy,omitempty"`
	Modified   int64          `json:"modified,omitempty"`
	ModifiedBy string         `json:"modifiedBy,omitempty"`
	Revision   uint64         `json:"revision,omitempty"`
	Values     map[string]any `json:"values,omitempty"`
	Entity     string         `json:"entity,omitempty"` // of secrets: the entity's kind
	Credential string         `json:"credential,omitempty"`
	Hashes     [][]byte       `json:"hashes,omitempty"`
	Seen       *lastSeen      `json:"seen,omitempty"`    // of a device
	Expires    int64          `json:"expires,omitempty"` // of an association code

	Certificate *registration `json:"certificate,omitempty"` // of secrets, in place of hashes
}

// Lines that are no objects: a person, the hashes of an entity's secrets, that of a device's association code.
const (
	userKind    = "user"
	secretsKind = "secrets"
	codeKind    = "associationCode"
)

// exported are the kinds of a file, in its order.
var exported = []string{"account", "accountUserTemplate", "accountUser", "organizationTemplate", "deviceTemplate", "endUserTemplate", "deviceField", "endUserField", "organizationField",
	"channelTemplate", "organization", "device", "endUser", "role", "savedSearch", "grant"}

func (s *Service) exportRoutes(g *echo.Group) {
	g.GET("/export", s.exportAll)
	g.POST("/import", s.importAll)
	g.GET("/devices/export", s.exportDevices)
	g.GET("/devices/positions", s.getPositions)
}

func (s *Service) exportAll(c echo.Context) error {
	if err := admit(c, nil); err != nil {
		return err
	}
	if err := s.viewFor(callerOf(c), func(t *txn) error { return t.adminsOnly("the export") }); err != nil {
		return err
	}
	withSecrets, _ := rest.Bool(c.QueryParam("credentials"))
	p := rest.Caller(c)
	h := c.Response().Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Content-Disposition", `attachment; filename="directory.ndjson"`)
	h.Set("Cache-Control", "no-store")
	c.Response().WriteHeader(http.StatusOK)
	out := json.NewEncoder(c.Response())
	if err := out.Encode(exportHeader{"xively blueprint", exportForm, p.AccountID, timeText(s.now().UnixMilli())}); err != nil {
		return err
	}
	kinds := exported
	if withSecrets {
		kinds = append(slices.Clone(kinds), "mqttCredential")
	}
	users := func(t *txn, lines []exportLine, _ *kind, o *object) ([]exportLine, error) {
		l, err := t.userLine(o)
		if l != nil {
			lines = append(lines, *l)
		}
		return lines, err
	}
	for _, name := range []string{"accountUser", "endUser"} { // first of all, as every line may name them
		if err := s.exportKind(p, s.byName[name], out, users); err != nil {
			return fmt.Errorf("export users: %w", err)
		}
	}
	for _, name := range kinds {
		err := s.exportKind(p, s.byName[name], out, func(t *txn, lines []exportLine, k *kind, o *object) ([]exportLine, error) {
			return t.exportLines(lines, k, o, withSecrets)
		})
		if err != nil {
			return fmt.Errorf("export %s: %w", name, err)
		}
	}
	return nil
}

// exportKind writes the lines that add makes of each object of a kind.
func (s *Service) exportKind(p auth.Principal, k *kind, out *json.Encoder, add func(*txn, []exportLine, *kind, *object) ([]exportLine, error)) error {
	var refs []ref
	err := s.view(p, func(t *txn) (err error) {
		refs, err = t.inOrderOfReference(k)
		return err
	})
	if err != nil {
		return err
	}
	for step := range slices.Chunk(refs, exportStep) {
		var lines []exportLine
		err := s.view(p, func(t *txn) error {
			lines = lines[:0]
			for _, r := range step {
				o, err := t.loadRef(k, r)
				if err != nil {
					return err
				}
				if o.Deleted != 0 {
					continue
				}
				if lines, err = add(t, lines, k, o); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, l := range lines {
			if err := out.Encode(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// userLine is the person behind an account user or end user, nil for nobody.
func (t *txn) userLine(o *object) (*exportLine, error) {
	userID := o.text("userId")
	if userID == "" || t.identities == nil {
		return nil, nil
	}
	address, profile, ok, err := t.identities.UserRecord(t.tx, t.account, userID)
	if err != nil || !ok {
		return nil, err
	}
	values := map[string]any{"emailAddress": address}
	for name, v := range profile {
		values[name] = v
	}
	return &exportLine{Kind: userKind, ID: userID, Values: values}, nil
}

// exportLines adds the lines of one object, and behind it the hashes that belong to it.
func (t *txn) exportLines(lines []exportLine, k *kind, o *object, withSecrets bool) ([]exportLine, error) {
	l := exportLine{Kind: k.one, ID: o.ID, Created: o.Created, CreatedBy: o.CreatedBy,
		Modified: o.Modified, ModifiedBy: o.ModifiedBy, Revision: o.Revision, Values: o.Values}
	switch k.one {
	case "device":
		seen, err := t.presence.seen(t.tx, o.ID)
		if err != nil {
			return nil, err
		}
		if seen.LastConnected != 0 {
			l.Seen = &seen
		}
		lines = append(lines, l)
		if code, sum, err := t.codeOf(o.ID); err != nil {
			return nil, err
		} else if withSecrets && sum != nil {
			lines = append(lines, exportLine{Kind: codeKind, ID: o.ID, Hashes: [][]byte{sum}, Expires: code.Expires})
		}
		return lines, nil
	case "mqttCredential":
		entity := o.text("entityId")
		known, err := loadSecrets(t.tx, entity)
		return append(lines, l, exportLine{Kind: secretsKind, ID: entity, Entity: known.Kind, Credential: o.ID, Hashes: known.Hashes,
			Certificate: known.Certificate}), err
	}
	return append(lines, l), nil
}

// inOrderOfReference returns all of a kind in order of creation; organizations parents first.
func (t *txn) inOrderOfReference(k *kind) ([]ref, error) {
	refs := slices.Collect(t.refsEqual(k, indexAll, ""))
	if k.one != "organization" {
		return refs, nil
	}
	depth := make(map[ref]int, len(refs))
	for _, r := range refs {
		chain, err := t.chain(r.id())
		if err != nil {
			return nil, err
		}
		depth[r] = len(chain)
	}
	slices.SortStableFunc(refs, func(a, b ref) int { return cmp.Compare(depth[a], depth[b]) })
	return refs, nil
}

// exportDevices writes the devices of a list, whatever its pages, as CSV.
func (s *Service) exportDevices(c echo.Context) error {
	if err := admit(c, nil); err != nil {
		return err
	}
	k := s.byName["device"]
	var columns []string
	var w wanted
	err := s.viewFor(callerOf(c), func(t *txn) (err error) {
		if columns, err = t.csvColumns(k); err != nil {
			return err
		}
		w, err = t.want(k, c.QueryParams(), rest.Page{Page: 1, PageSize: exportStep, SortBy: c.QueryParam("sortBy")})
		return err
	})
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="devices.csv"`)
	h.Set("Cache-Control", "no-store")
	c.Response().WriteHeader(http.StatusOK)
	buffered := bufio.NewWriter(c.Response())
	out := csv.NewWriter(buffered)
	_ = out.Write(columns) // an error stays and comes back from Flush
	for total := 1; w.Offset() < total; w.Page.Page++ {
		err := s.viewFor(callerOf(c), func(t *txn) error {
			f, err := t.list(k, w)
			total = f.total
			for _, o := range f.objects {
				row, err := t.csvRow(columns, o)
				if err != nil {
					return err
				}
				_ = out.Write(row)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("export devices: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("export devices: %w", err)
	}
	return buffered.Flush()
}

// csvColumns are the fields that can be imported again, and every custom field of the account.
func (t *txn) csvColumns(k *kind) ([]string, error) {
	columns := []string{"serialNumber", "template", "organization"}
	for i := range k.fields {
		f := &k.fields[i]
		if !f.kept && !f.refersTo() && f.name != "serialNumber" {
			columns = append(columns, f.name)
		}
	}
	kk := t.byName[k.customBy]
	for r := range t.refsEqual(kk, indexAll, "") {
		o, err := t.loadRef(kk, r)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(columns, o.text("name")) {
			columns = append(columns, o.text("name"))
		}
	}
	return columns, nil
}

func (t *txn) csvRow(columns []string, o *object) ([]string, error) {
	row := make([]string, len(columns))
	for i, name := range columns {
		switch name {
		case "template":
			template, err := load(t.tx, t.byName["deviceTemplate"], o.text("deviceTemplateId"))
			if err != nil {
				return nil, err
			}
			if template != nil {
				row[i] = template.text("name")
			}
		case "organization":
			chain, err := t.chain(o.text("organizationId"))
			if err != nil {
				return nil, err
			}
			names := make([]string, 0, len(chain))
			for _, id := range slices.Backward(chain) {
				names = append(names, t.groupName(id))
			}
			row[i] = strings.Join(names, " / ")
		default:
			row[i] = cellText(o.Values[name])
		}
	}
	return row, nil
}

func cellText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case []string:
		return strings.Join(v, "|")
	}
	return ""
}
