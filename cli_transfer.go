package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// The commands that move much at once: devices as CSV, the whole directory as NDJSON, points. They stream, so that the
// size of a file does not matter here; "-" stands for standard input.

// download writes an answer to standard output as it comes. A connection that breaks is an error: what came is not all.
func (c *client) download(cmd *cobra.Command, path string) error {
	resp, err := c.send(cmd.Context(), c.unhurried(), http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(cmd.OutOrStdout(), resp.Body); err != nil {
		return fmt.Errorf("the answer broke off, what came is not all: %w", err)
	}
	return nil
}

// upload posts a file and decodes the answer into out.
func (c *client) upload(ctx context.Context, path, kind string, file io.Reader, out any) error {
	resp, err := c.send(ctx, c.unhurried(), http.MethodPost, path, kind, file)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("POST %s: the answer is not what a xively server sends: %w", path, err)
	}
	return nil
}

// openInput opens a file of the command line.
func openInput(cmd *cobra.Command, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	return os.Open(name)
}

func flagText(set bool) string {
	if set {
		return "true"
	}
	return ""
}

func newDevicesExportCommand() *cobra.Command {
	var (
		server                       serverFlags
		text, template, organization string
	)
	cmd := &cobra.Command{
		Use:     "export",
		Short:   "Print devices as CSV, in the form that import takes",
		Example: `  xively devices export -q 'connected:false lastConnected:>30d' > away.csv`,
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			templateID := ""
			if template != "" {
				if templateID, err = deviceTemplates.find(cmd, c, template); err != nil {
					return err
				}
			}
			return c.download(cmd, "/api/v1/devices/export"+query("q", text, "deviceTemplateId", templateID, "organizationId", organization))
		},
	}
	server.register(cmd)
	cmd.Flags().StringVarP(&text, "query", "q", "", "only those that match, such as `'tag:outdoor firmware:1.*'`")
	cmd.Flags().StringVar(&template, "template", "", "only devices of this template, by `name or id`")
	cmd.Flags().StringVar(&organization, "organization", "", "only devices of the organization with this `id`")
	return cmd
}

func newDevicesImportCommand() *cobra.Command {
	var (
		server                          serverFlags
		template, group                 string
		columns, secrets                string
		dryRun, organizations, keepJSON bool
	)
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Create and change devices by a CSV file",
		Long: `Create and change devices by a CSV file with a header: a row with a serial number that is known changes that device, any
other creates one, so that a file can be sent again. Columns are fields of the device; organization is a path such as
"North/Plant 2", and certificate holds the PEM of a device that signs in with one. --dry-run says what would happen, row by row, and changes nothing.
Exit code 1 when rows were refused.`,
		Example: `  xively devices import fleet.csv --template Sensor --dry-run
  xively devices import fleet.csv --template Sensor --credentials secrets.csv`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			templateID := ""
			if template != "" {
				if templateID, err = deviceTemplates.find(cmd, c, template); err != nil {
					return err
				}
			}
			file, err := openInput(cmd, args[0])
			if err != nil {
				return err
			}
			defer file.Close()
			var keys *os.File // before the import: secrets are shown once and need their place
			if secrets != "" && !dryRun {
				if keys, err = os.OpenFile(secrets, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err != nil {
					return err
				}
				defer keys.Close()
			}
			var answer struct{ Import object }
			path := "/api/v1/devices/import" + query("deviceTemplateId", templateID, "organizationId", group, "map", columns, "dryRun", flagText(dryRun),
				"createOrganizations", flagText(organizations), "credentials", flagText(keys != nil))
			if err := c.upload(cmd.Context(), path, "text/csv", file, &answer); err != nil {
				return err
			}
			report, err := c.awaitImport(cmd, answer.Import)
			if err != nil {
				return err
			}
			if keys != nil {
				if err := writeSecrets(keys, objects(report["credentials"])); err != nil {
					return err
				}
			}
			delete(report, "credentials")
			return showImport(cmd, report, keepJSON)
		},
	}
	server.register(cmd)
	cmd.Flags().StringVar(&template, "template", "", "device template of rows that name none, by `name or id`")
	cmd.Flags().StringVar(&group, "organization", "", "`id` of the organization (group) of new devices whose rows name none")
	cmd.Flags().StringVar(&columns, "map", "", "names of columns, as `Column:field,Other:field`; an empty field leaves a column out")
	cmd.Flags().StringVar(&secrets, "credentials", "", "make MQTT credentials for new devices and write them to this new `file`, mode 0600")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "change nothing, say what would happen")
	cmd.Flags().BoolVar(&organizations, "create-organizations", false, "make organizations that do not exist")
	cmd.Flags().BoolVar(&keepJSON, "json", false, "print the report as JSON")
	return cmd
}

// importPoll is how often a running import is asked how far it is.
const importPoll = 500 * time.Millisecond

// awaitImport waits for the end of an import and returns its last report, telling how far it is meanwhile.
func (c *client) awaitImport(cmd *cobra.Command, report object) (object, error) {
	told := cell(report["rows"])
	for report["state"] == "running" {
		select {
		case <-cmd.Context().Done():
			return nil, cmd.Context().Err()
		case <-time.After(importPoll):
		}
		var err error
		if report, err = c.one(cmd.Context(), http.MethodGet, "/api/v1/devices/import/"+url.PathEscape(cell(report["id"])), nil, "import"); err != nil {
			return nil, err
		}
		if rows := cell(report["rows"]); rows != told {
			told = rows
			fmt.Fprintf(cmd.ErrOrStderr(), "%s of %s rows\n", rows, cell(report["totalRows"]))
		}
	}
	return report, nil
}

func writeSecrets(w io.Writer, rows []object) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"deviceId", "serialNumber", "secret"}) // errors stay in the writer until Flush
	for _, r := range rows {
		_ = out.Write([]string{cell(r["deviceId"]), cell(r["serialNumber"]), cell(r["secret"])})
	}
	out.Flush()
	return out.Error()
}

// showImport prints a report; rows that were refused make the command fail.
func showImport(cmd *cobra.Command, report object, asJSON bool) error {
	if asJSON {
		if err := printJSON(cmd.OutOrStdout(), report); err != nil {
			return err
		}
	} else {
		for _, e := range objects(report["errors"]) {
			fmt.Fprintf(cmd.OutOrStdout(), "row %s, %s: %s\n", cell(e["row"]), printable(cell(e["serialNumber"])), printable(cell(e["text"])))
		}
		fmt.Fprintln(cmd.OutOrStdout(), printable(cell(report["text"])))
	}
	if refused, _ := report["refused"].(float64); refused > 0 || report["state"] == "failed" {
		return fmt.Errorf("%v rows were refused", cell(report["refused"]))
	}
	return nil
}

func newExportCommand() *cobra.Command {
	var (
		server      serverFlags
		credentials bool
	)
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print the whole directory as NDJSON, in the form that import takes",
		Long: `Print everything in the account's directory, an object a line, with the people behind account users and end users.
Passwords, second factors, sessions, API keys, application credentials and OpenID providers are not in it, nor are deleted objects and the audit
trail. --credentials adds the hashes of MQTT secrets and association codes, with which devices go on after an import
without a new secret; keep such a file as you would keep a key.`,
		Example: `  xively export > directory.ndjson`,
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			return c.download(cmd, "/api/v1/export"+query("credentials", flagText(credentials)))
		},
	}
	server.register(cmd)
	cmd.Flags().BoolVar(&credentials, "credentials", false, "with the hashes of MQTT secrets")
	return cmd
}

func newImportCommand() *cobra.Command {
	var (
		server          serverFlags
		dryRun, replace bool
	)
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Take an export into the directory",
		Long: `Take a file of export. Objects keep their ids; one that exists is brought to what the file says. People are known by
their e-mail address; those who are new have no password and choose one by the page for forgotten ones. --replace empties
the account first, as long as it has no devices and end users, and takes the account's name from the file.`,
		Example: `  xively import directory.ndjson --dry-run`,
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			file, err := openInput(cmd, args[0])
			if err != nil {
				return err
			}
			defer file.Close()
			var answer struct{ Import object }
			if err := c.upload(cmd.Context(), "/api/v1/import"+query("dryRun", flagText(dryRun), "replace", flagText(replace)), "application/x-ndjson", file, &answer); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), printable(cell(answer.Import["text"])))
			return nil
		},
	}
	server.register(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "change nothing, say what would happen")
	cmd.Flags().BoolVar(&replace, "replace", false, "empty the account first")
	return cmd
}

func newDataExportCommand() *cobra.Command {
	var (
		server             serverFlags
		from               topicFlags
		start, end, format string
	)
	cmd := &cobra.Command{
		Use:     "export [TOPIC]",
		Short:   "Print all points of a range of time, however many, oldest first",
		Example: `  xively data export --device 0b6e… --channel temp > temp.csv`,
		Args:    atMostArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "csv" && format != "ndjson" {
				return usageError("format %q is not csv or ndjson", format)
			}
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			topic, err := from.topic(c.AccountID, args)
			if err != nil {
				return err
			}
			return c.download(cmd, dataPath(topic)+query("format", format, "startDateTime", start, "endDateTime", end))
		},
	}
	server.register(cmd)
	from.register(cmd)
	cmd.Flags().StringVar(&format, "format", "csv", "`form` of the lines: csv or ndjson")
	cmd.Flags().StringVar(&start, "start", "", "first `time`, such as 2026-01-31T12:00:00Z")
	cmd.Flags().StringVar(&end, "end", "", "last `time`")
	return cmd
}

func newDataImportCommand() *cobra.Command {
	var (
		server       serverFlags
		to           topicFlags
		file, format string
	)
	cmd := &cobra.Command{
		Use:   "import [TOPIC] --file FILE",
		Short: "Store points in bulk",
		Long: `Store points in bulk: CSV lines time,category,number,text; NDJSON; or InfluxDB's line protocol. Without a topic the
lines name theirs. Lines that are wrong are told and left out.`,
		Example: `  xively data import --device 0b6e… --channel temp --file temp.csv`,
		Args:    atMostArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			path := "/api/v4/data"
			if len(args) > 0 || to != (topicFlags{}) {
				topic, err := to.topic(c.AccountID, args)
				if err != nil {
					return err
				}
				path = dataPath(topic)
			}
			in, err := openInput(cmd, file)
			if err != nil {
				return err
			}
			defer in.Close()
			var answer struct {
				Stored, Failed int
				Errors         []struct {
					Line    int
					Message string
				}
			}
			if err := c.upload(cmd.Context(), path+query("format", format), "", in, &answer); err != nil {
				return err
			}
			for _, e := range answer.Errors {
				fmt.Fprintf(cmd.ErrOrStderr(), "line %d: %s\n", e.Line, printable(e.Message))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d points stored\n", answer.Stored)
			if answer.Failed > 0 {
				return fmt.Errorf("%d lines were not taken", answer.Failed)
			}
			return nil
		},
	}
	server.register(cmd)
	to.register(cmd)
	cmd.Flags().StringVar(&file, "file", "", "the `file`, - for standard input")
	cmd.Flags().StringVar(&format, "format", "csv", "`form` of the lines: csv, ndjson or influx")
	required(cmd, "file")
	return cmd
}

func newDataAggregateCommand() *cobra.Command {
	var (
		server                        serverFlags
		out                           output
		from                          topicFlags
		interval, functions, timezone string
		start, end, category, fill    string
	)
	cmd := &cobra.Command{
		Use:   "aggregate [TOPIC] --interval 1h",
		Short: "Print what the points of each interval come to",
		Long: `Print what the points of each interval come to.
Functions: avg, count, delta, first, last, max, min, p50, p95, p99, rate, sum, twa.`,
		Example: `  xively data aggregate --device 0b6e… --channel temp --interval 1d --timezone Europe/Berlin --functions min,avg,max`,
		Args:    atMostArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			topic, err := from.topic(c.AccountID, args)
			if err != nil {
				return err
			}
			page, err := getPoints(cmd, c, dataPath(topic)+query("interval", interval, "aggregate", functions, "timezone", timezone,
				"startDateTime", start, "endDateTime", end, "category", category, "fill", fill))
			if err != nil {
				return err
			}
			columns := []column{{"TIME", "time"}, {"CATEGORY", "category"}}
			for name := range strings.SplitSeq(functions, ",") {
				name = strings.TrimSpace(name)
				columns = append(columns, column{strings.ToUpper(name), name})
			}
			return out.list(cmd.OutOrStdout(), page.Result, columns...)
		},
	}
	server.register(cmd)
	out.register(cmd)
	from.register(cmd)
	cmd.Flags().StringVar(&interval, "interval", "", "length of an interval, such as `15m`, 1h, 1d, 1mo")
	cmd.Flags().StringVar(&functions, "functions", "avg", "what to print, separated by commas")
	cmd.Flags().StringVar(&timezone, "timezone", "", "time `zone` that days begin in, such as Europe/Berlin (default: UTC)")
	cmd.Flags().StringVar(&start, "start", "", "first `time`, such as 2026-01-31T12:00:00Z")
	cmd.Flags().StringVar(&end, "end", "", "last `time`")
	cmd.Flags().StringVar(&category, "category", "", "only points of this `category`")
	cmd.Flags().StringVar(&fill, "fill", "", "what stands where an interval has no points")
	required(cmd, "interval")
	return cmd
}
