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
//	GET  /export[?credentials=true]   the directory as NDJSON: a header line, then a line for each object, in an order in
//	                                  which nothing comes before what it refers to
//	POST /import[?replace=true&dryRun=true]   takes such a file (importall.go)
//	GET  /devices/export[?filters as in a list]  devices as CSV, in the form that /devices/import takes
//
// Account users are not in it: who they are is the identity service's, and another installation has its own. Secrets
// are not either, unless credentials=true asks for their hashes, with which devices go on without a new secret.
//
// The file is written in steps of exportStep objects, each as it is at that moment.
const exportStep = 1000

const exportForm = 1 // version of the file's form

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
}

// secretsKind is the kind word of lines with hashes.
const secretsKind = "secrets"

// exported are the kinds of a file, in its order.
var exported = []string{"organizationTemplate", "deviceTemplate", "endUserTemplate", "deviceField", "endUserField", "organizationField",
	"channelTemplate", "organization", "device", "endUser", "role", "savedSearch", "grant"}

func (s *Service) exportRoutes(g *echo.Group) {
	g.GET("/export", s.exportAll)
	g.POST("/import", s.importAll)
	g.GET("/devices/export", s.exportDevices)
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
	for _, name := range kinds {
		if err := s.exportKind(p, s.byName[name], out); err != nil {
			return fmt.Errorf("export %s: %w", name, err)
		}
	}
	return nil
}

func (s *Service) exportKind(p auth.Principal, k *kind, out *json.Encoder) error {
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
			for _, r := range step {
				o, err := t.loadRef(k, r)
				if err != nil {
					return err
				}
				if o.Deleted == 0 && o.text("subjectType") != "accountUser" && o.text("entityType") != "accountUser" {
					lines = append(lines, exportLine{Kind: k.one, ID: o.ID, Created: o.Created, CreatedBy: o.CreatedBy,
						Modified: o.Modified, ModifiedBy: o.ModifiedBy, Revision: o.Revision, Values: o.Values})
				}
			}
			if k.one != "mqttCredential" {
				return nil
			}
			for _, l := range slices.Clone(lines) {
				known, err := loadSecrets(t.tx, l.Values["entityId"].(string))
				if err != nil {
					return err
				}
				lines = append(lines, exportLine{Kind: secretsKind, ID: l.Values["entityId"].(string), Entity: known.Kind, Credential: l.ID, Hashes: known.Hashes})
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
