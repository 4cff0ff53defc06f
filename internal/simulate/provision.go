package simulate

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// API is how the package talks REST: the caller has the server's address, signs in and knows the account.
type API interface {
	// Call sends body as JSON (nil: none) and decodes the answer into out (nil: dropped).
	Call(ctx context.Context, method, path string, body, out any) error
	// Upload sends a file and decodes the answer into out.
	Upload(ctx context.Context, path, contentType string, body []byte, out any) error
}

type object = map[string]any

const (
	parallel   = 32 // requests at a time: each waits for the disk, and they share that
	mostUsers  = 500
	listPage   = 1000
	importPoll = 300 * time.Millisecond
)

// provision makes what is not there yet, and gives every device its id and a secret.
func (s *simulation) provision(ctx context.Context) error {
	for _, k := range kinds {
		if err := s.template(ctx, k); err != nil {
			return fmt.Errorf("template %s: %w", k.name, err)
		}
	}
	s.say("templates: %d", len(kinds))
	if err := s.importDevices(ctx); err != nil {
		return fmt.Errorf("devices: %w", err)
	}
	if err := s.learnIDs(ctx); err != nil {
		return fmt.Errorf("devices: %w", err)
	}
	if err := s.issueSecrets(ctx); err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	if err := s.endUsers(ctx); err != nil {
		return fmt.Errorf("end users: %w", err)
	}
	return nil
}

func (s *simulation) list(ctx context.Context, path, key string, each func(object)) error {
	for page := 1; ; page++ {
		var answer map[string]struct {
			Results []object
			Meta    struct{ Count int }
		}
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		if err := s.api.Call(ctx, "GET", path+sep+"pageSize="+strconv.Itoa(listPage)+"&page="+strconv.Itoa(page), nil, &answer); err != nil {
			return err
		}
		for _, row := range answer[key].Results {
			each(row)
		}
		if page*listPage >= answer[key].Meta.Count {
			return nil
		}
	}
}

func text(o object, member string) string {
	t, _ := o[member].(string)
	return t
}

func (s *simulation) template(ctx context.Context, k *kind) error {
	id := ""
	err := s.list(ctx, "/api/v1/devices/templates", "deviceTemplates", func(o object) {
		if text(o, "name") == k.name {
			id = text(o, "id")
		}
	})
	if err != nil {
		return err
	}
	have := map[string]bool{}
	note := func(o object) { have[text(o, "name")] = true }
	if id == "" {
		var made struct{ DeviceTemplate object }
		if err := s.api.Call(ctx, "POST", "/api/v1/devices/templates", object{"accountId": s.account, "name": k.name}, &made); err != nil {
			return err
		}
		id = text(made.DeviceTemplate, "id")
	} else {
		if err := s.list(ctx, "/api/v1/channels/templates?entityId="+id, "channelTemplates", note); err != nil {
			return err
		}
		if err := s.list(ctx, "/api/v1/devices/custom-fields?deviceTemplateId="+id, "deviceFields", note); err != nil {
			return err
		}
	}
	for _, f := range k.fields {
		if have[f.name] {
			continue
		}
		body := object{"accountId": s.account, "deviceTemplateId": id, "name": f.name, "fieldType": f.kind, "required": f.required}
		if f.standard != "" {
			body["default"] = f.standard
		}
		if err := s.api.Call(ctx, "POST", "/api/v1/devices/custom-fields", body, nil); err != nil {
			return fmt.Errorf("field %s: %w", f.name, err)
		}
	}
	for _, c := range k.channels {
		if have[c.name] {
			continue
		}
		kept := "simple"
		if c.points != nil {
			kept = "timeSeries"
		}
		if err := s.api.Call(ctx, "POST", "/api/v1/channels/templates", object{"accountId": s.account, "entityId": id,
			"entityType": "deviceTemplate", "name": c.name, "persistenceType": kept}, nil); err != nil {
			return fmt.Errorf("channel %s: %w", c.name, err)
		}
	}
	return nil
}

type importReport struct {
	Import struct {
		ID          string
		State       string
		Text        string
		Rows        int
		Created     int
		Refused     int
		Errors      []struct{ Text string }
		Credentials []struct{ DeviceID, SerialNumber, Secret string }
	}
}

// importDevices sends the fleet as one CSV file a kind; organizations that rows name are made with them.
func (s *simulation) importDevices(ctx context.Context) error {
	created := 0
	for _, k := range kinds {
		file := s.csv(k)
		var r importReport
		if err := s.api.Upload(ctx, "/api/v1/devices/import?createOrganizations=true&credentials=true", "text/csv", file, &r); err != nil {
			return err
		}
		for r.Import.State == "running" {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(importPoll):
			}
			if err := s.api.Call(ctx, "GET", "/api/v1/devices/import/"+url.PathEscape(r.Import.ID), nil, &r); err != nil {
				return err
			}
		}
		if r.Import.State != "done" || r.Import.Refused > 0 {
			why := r.Import.Text
			if len(r.Import.Errors) > 0 {
				why += " " + r.Import.Errors[0].Text
			}
			return fmt.Errorf("import of %ss: %s", k.name, why)
		}
		created += r.Import.Created
		for _, c := range r.Import.Credentials {
			s.secrets[c.SerialNumber] = c.Secret
		}
	}
	s.say("devices: %d, %d of them new", len(s.devices), created)
	return nil
}

func (s *simulation) csv(k *kind) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	header := []string{"serialNumber", "template", "organization", "name", "firmwareVersion", "latitude", "longitude", "location", "tags"}
	for _, f := range k.fields {
		header = append(header, f.name)
	}
	_ = w.Write(header) // a buffer does not fail
	for _, d := range s.devices {
		if d.kind != k {
			continue
		}
		row := []string{d.serial, k.name, d.site, d.name(), d.firmware(), fmt.Sprint(d.latitude), fmt.Sprint(d.longitude), d.city.name, k.tags}
		for _, f := range k.fields {
			row = append(row, f.value(d))
		}
		_ = w.Write(row)
	}
	w.Flush()
	return b.Bytes()
}

func (s *simulation) learnIDs(ctx context.Context) error {
	bySerial := make(map[string]*Device, len(s.devices))
	for _, d := range s.devices {
		bySerial[d.serial] = d
	}
	err := s.list(ctx, "/api/v1/devices?sortBy=serialNumber", "devices", func(o object) {
		if d := bySerial[text(o, "serialNumber")]; d != nil {
			d.id = text(o, "id")
			s.groups[d.site] = text(o, "organizationId")
		}
	})
	for _, d := range s.devices {
		if err == nil && d.id == "" {
			err = fmt.Errorf("%s is not there", d.serial)
		}
	}
	return err
}

// issueSecrets makes new secrets for devices that were there before: secrets are shown once.
func (s *simulation) issueSecrets(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	issued := 0
	for _, d := range s.devices {
		if d.secret = s.secrets[d.serial]; d.secret != "" {
			continue
		}
		issued++
		group.Go(func() error {
			var made struct{ MqttCredential object }
			err := s.api.Call(ctx, "POST", "/api/v1/access/mqtt-credentials", object{"accountId": s.account, "entityId": d.id, "entityType": "device"}, &made)
			d.secret = text(made.MqttCredential, "secret")
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	s.say("credentials: %d made for devices that were there", issued)
	return nil
}

// endUsers makes one for every second site, up to mostUsers.
func (s *simulation) endUsers(ctx context.Context) error {
	have := map[string]bool{}
	if err := s.list(ctx, "/api/v1/end-users", "endUsers", func(o object) { have[text(o, "emailAddress")] = true }); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	n := 0
	for i, site := range slices.Sorted(maps.Keys(s.groups)) {
		if n >= mostUsers {
			break
		}
		for j := range 1 + i%2 {
			r := dice(s.Seed).roll(3000).roll(int64(n))
			name := person(r)
			email := fmt.Sprintf("%s.%d@northwind.example", asciiLower(name), n+1)
			n++
			if have[email] {
				continue
			}
			city := strings.TrimSpace(strings.Split(site, "/")[2])
			group.Go(func() error {
				return s.api.Call(ctx, "POST", "/api/v1/end-users", object{"accountId": s.account, "organizationId": s.groups[site], "name": name,
					"emailAddress": email, "city": city, "tags": []string{[]string{"manager", "staff"}[j]}}, nil)
			})
		}
	}
	s.say("end users: %d", n)
	return group.Wait()
}

// asciiLower makes "Søren O’Brien" to "s.ren.o.brien": good enough for an address nobody writes to.
func asciiLower(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return '.'
	}, strings.ToLower(name))
}
