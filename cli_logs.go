package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// The commands on the account's log: search, live view, export, diagnosis.

var logColumns = []column{{"TIME", "time"}, {"SEVERITY", "severity"}, {"CODE", "code"}, {"SOURCE", "sourceId"}, {"MESSAGE", "message"}}

func newLogsCommand() *cobra.Command {
	cmd := group("logs", "Search and follow what devices and the platform did")
	cmd.AddCommand(newLogsSearchCommand(), newLogsTailCommand(), newLogsExportCommand())
	return cmd
}

func newLogsSearchCommand() *cobra.Command {
	var (
		server                 serverFlags
		out                    output
		device, severity, text string
		size                   int
	)
	cmd := &cobra.Command{
		Use:   "search [QUERY]",
		Short: "Print log entries, newest first",
		Long:  "Print log entries, newest first. " + queryHelp,
		Example: `  xively logs search 'severity>=warning since:2h "over 150"'
  xively logs search --device 0b6e… --severity warning
  xively logs search --text "not on its template" -o json`,
		Args: atMostArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && (device != "" || severity != "" || text != "") {
				return usageError("give a query or --device, --severity and --text, not both")
			}
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			var rows []object
			if len(args) == 1 {
				rows, err = queryLogs(cmd, c, args[0], size)
			} else {
				rows, err = searchLogs(cmd, c, device, severity, text, size)
			}
			if err != nil {
				return err
			}
			return out.list(cmd.OutOrStdout(), rows, logColumns...)
		},
	}
	server.register(cmd)
	out.register(cmd)
	cmd.Flags().StringVar(&device, "device", "", "only entries of this `id`")
	cmd.Flags().StringVar(&severity, "severity", "", "only this severity: emergency, alert, critical, error, warning, notice, informational, debug, lifecycle")
	cmd.Flags().StringVar(&text, "text", "", "only messages with all these `words`")
	cmd.Flags().IntVarP(&size, "count", "n", 50, "how many entries, 1 to 1000")
	return cmd
}

func searchLogs(cmd *cobra.Command, c *client, device, severity, text string, size int) ([]object, error) {
	var must []object
	if device != "" {
		must = append(must, object{"term": object{"sourceId": device}})
	}
	if severity != "" {
		must = append(must, object{"term": object{"severity": severity}})
	}
	if text != "" {
		must = append(must, object{"match": object{"message": text}})
	}
	body := object{"from": 0, "size": size, "sort": []object{{"sourceTimestamp": object{"order": "desc"}}}}
	if must != nil {
		body["query"] = object{"bool": object{"must": must}}
	}
	var answer struct {
		Hits struct {
			Hits []struct {
				Source object `json:"_source"`
			}
		}
	}
	if err := c.call(cmd.Context(), http.MethodPost, "/api/v1/logs/search", body, &answer); err != nil {
		return nil, err
	}
	var rows []object
	for _, hit := range answer.Hits.Hits {
		rows = append(rows, withTime(hit.Source))
	}
	return rows, nil
}

// withTime adds a time for people.
func withTime(entry object) object {
	if ms, ok := entry["sourceTimestamp"].(float64); ok {
		entry["time"] = time.UnixMilli(int64(ms)).UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return entry
}

const queryHelp = `A query is words, "phrases", field:value (device, severity, code, tag, …), severity>=warning,
since:2h, until:2026-01-31, with AND, OR, NOT and ( ).`

func queryLogs(cmd *cobra.Command, c *client, text string, size int) ([]object, error) {
	var answer struct {
		Logs struct{ Results []object }
	}
	if err := c.call(cmd.Context(), http.MethodGet, "/api/v1/logs"+query("q", text, "size", fmt.Sprint(size)), nil, &answer); err != nil {
		return nil, err
	}
	for _, row := range answer.Logs.Results {
		withTime(row)
	}
	return answer.Logs.Results, nil
}

func newLogsExportCommand() *cobra.Command {
	var (
		server   serverFlags
		from, to string
	)
	cmd := &cobra.Command{
		Use:   "export [QUERY]",
		Short: "Print all entries that match as NDJSON, oldest first",
		Args:  atMostArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			return c.download(cmd, "/api/v1/logs/export"+query("q", strings.Join(args, " "), "from", from, "to", to))
		},
	}
	server.register(cmd)
	cmd.Flags().StringVar(&from, "from", "", "from this `time` on, such as 2026-01-31T12:00:00Z, or 2h (ago)")
	cmd.Flags().StringVar(&to, "to", "", "until this `time`")
	return cmd
}

func newLogsTailCommand() *cobra.Command {
	var (
		server serverFlags
		format string
	)
	cmd := &cobra.Command{
		Use:   "tail [QUERY]",
		Short: "Print entries as they come, until Ctrl-C",
		Long:  "Print entries as they come. After an interruption the view goes on where it was. " + queryHelp,
		Example: `  xively logs tail
  xively logs tail 'device:AP-000001 severity>=warning' -o json`,
		Args: atMostArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "table" && format != "json" {
				return usageError("output format %q is not table or json", format)
			}
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return c.tail(ctx, strings.Join(args, " "), cmd.ErrOrStderr(), func(entry object) error {
				return printEntry(cmd.OutOrStdout(), format, entry)
			})
		},
	}
	server.register(cmd)
	cmd.Flags().StringVarP(&format, "output", "o", "table", "output `format`: table or json")
	return cmd
}

func printEntry(w io.Writer, format string, entry object) error {
	if format == "json" {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return enc.Encode(entry)
	}
	withTime(entry)
	_, err := fmt.Fprintf(w, "%s  %-13s  %s  %s\n", cell(entry["time"]), printable(cell(entry["severity"])),
		printable(cell(entry["sourceId"])), printable(cell(entry["message"])))
	return err
}

// tailAgain is how long the live view waits before it asks again.
const tailAgain = 2 * time.Second

// tail shows entries until ctx ends. A connection that breaks is made again, and goes on behind the entry shown last.
func (c *client) tail(ctx context.Context, text string, told io.Writer, show func(object) error) error {
	last := ""
	for connected := false; ; {
		var headers []string
		if last != "" {
			headers = []string{"Last-Event-ID", last}
		}
		resp, err := c.send(ctx, c.unhurried(), http.MethodGet, "/api/v1/logs/tail"+query("q", text), "", nil, headers...)
		var refused *apiError
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && (!connected || errors.As(err, &refused) && refused.Status < 500):
			return err
		case err == nil:
			connected = true
			last, err = readEvents(resp.Body, last, told, show)
			resp.Body.Close()
		}
		if ctx.Err() != nil {
			return nil
		}
		fmt.Fprintln(told, "connecting again:", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(tailAgain):
		}
	}
}

var errViewEnded = errors.New("the server ended the view")

// readEvents reads server-sent events until they end and returns the id of the last one.
func readEvents(r io.Reader, last string, told io.Writer, show func(object) error) (string, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxErrorAnswer)
	id, event := last, ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			id = value
		case "event":
			event = value
		case "data":
			var data object
			if err := json.Unmarshal([]byte(value), &data); err != nil {
				return last, fmt.Errorf("the live view is not what a xively server sends: %w", err)
			}
			if event == "dropped" {
				fmt.Fprintf(told, "%s entries could not be shown: too many at once\n", cell(data["dropped"]))
			} else if err := show(data); err != nil {
				return last, err
			}
			last = id
		case "":
			event = ""
		}
	}
	return last, cmp.Or(lines.Err(), errViewEnded)
}

// newDiagnoseCommand is of the device commands: what its log and its flight recorder come to.
func newDiagnoseCommand() *cobra.Command {
	var (
		server serverFlags
		format string
		from   string
	)
	cmd := &cobra.Command{
		Use:   "diagnose ID",
		Short: "Tell what happened to a device lately, what is wrong with it, and what to do",
		Args:  exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			answer, err := c.one(cmd.Context(), http.MethodGet, "/api/v1/devices/"+url.PathEscape(args[0])+"/diagnosis"+query("from", from), nil, "diagnosis")
			if err != nil {
				return err
			}
			if format == "json" {
				return printJSON(cmd.OutOrStdout(), answer)
			}
			printDiagnosis(cmd.OutOrStdout(), answer)
			return nil
		},
	}
	server.register(cmd)
	cmd.Flags().StringVarP(&format, "output", "o", "text", "output `format`: text or json")
	cmd.Flags().StringVar(&from, "from", "", "from this `time` on, such as 2h (ago)")
	return cmd
}

func printDiagnosis(w io.Writer, d object) {
	fmt.Fprintln(w, printable(cell(d["summary"])))
	for _, f := range objects(d["findings"]) {
		often := cell(f["count"]) + " times"
		if often == "1 times" {
			often = "once"
		}
		if f["over"] == true {
			often += ", over since the device has connected"
		}
		fmt.Fprintf(w, "\n%s (%s, last %s)\n  %s\n", printable(cell(f["cause"])), often, momentText(f["last"]), printable(cell(f["remedy"])))
	}
	if timeline := objects(d["timeline"]); len(timeline) > 0 {
		fmt.Fprintln(w)
		for _, m := range timeline {
			fmt.Fprintf(w, "%s  %s\n", momentText(m["time"]), printable(cell(m["text"])))
		}
	}
}

func momentText(v any) string {
	ms, _ := v.(float64)
	return time.UnixMilli(int64(ms)).UTC().Format("2006-01-02T15:04:05.000Z")
}

// newRecordCommand is of the device commands too: the flight recorder.
func newRecordCommand() *cobra.Command {
	var (
		server  serverFlags
		out     output
		minutes int
		stop    bool
	)
	cmd := &cobra.Command{
		Use:   "record ID",
		Short: "Print what a device's flight recorder holds, or switch it on or off",
		Long: `Print the packets that the flight recorder holds of a device, and what became of each message the device published.
The recorder runs for some minutes after trouble by itself; --minutes lets it run now, --stop ends it and forgets.`,
		Example: "  xively devices record 0b6e… --minutes 30",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if stop && minutes != 0 {
				return usageError("give --minutes or --stop, not both")
			}
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			method, body := http.MethodGet, any(nil)
			switch {
			case stop:
				method = http.MethodDelete
			case minutes != 0:
				method, body = http.MethodPost, object{"minutes": minutes}
			}
			r, err := c.one(cmd.Context(), method, "/api/v1/devices/"+url.PathEscape(args[0])+"/recorder", body, "recorder")
			if err != nil {
				return err
			}
			return printRecording(cmd, &out, r)
		},
	}
	server.register(cmd)
	out.register(cmd)
	cmd.Flags().IntVar(&minutes, "minutes", 0, "let it run for so many minutes from now on, 1440 at most")
	cmd.Flags().BoolVar(&stop, "stop", false, "switch it off and forget what it holds")
	return cmd
}

func printRecording(cmd *cobra.Command, out *output, r object) error {
	state := "The flight recorder is off."
	if r["running"] == true {
		state = "The flight recorder runs until " + momentText(r["until"]) + "."
	}
	if missed, _ := r["missed"].(float64); missed > 0 {
		state += fmt.Sprintf(" %.0f older packets had to make room.", missed)
	}
	fmt.Fprintln(cmd.ErrOrStderr(), state)
	rows := objects(r["packets"])
	for _, p := range rows {
		p["at"], p["from"] = momentText(p["time"]), "platform"
		if p["in"] == true {
			p["from"] = "device"
		}
	}
	return out.list(cmd.OutOrStdout(), rows, column{"TIME", "at"}, column{"FROM", "from"}, column{"PACKET", "type"}, column{"QOS", "qos"},
		column{"BYTES", "size"}, column{"TOPIC", "topic"}, column{"PAYLOAD", "head"}, column{"FATE", "fate"})
}
