package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// The commands on many series at once, on what they cost, and on how long they are kept.

func newDataQueryCommand() *cobra.Command {
	var (
		server                              serverFlags
		out                                 output
		devices, channels                   []string
		organization, template, search      string
		start, end, category                string
		interval, functions, timezone, fill string
		limit                               int
	)
	cmd := &cobra.Command{
		Use:   "query [TOPIC…] --interval 1h",
		Short: "Print the newest points, or what intervals come to, of several series at once",
		Long: `Print the newest points, or what the points of each interval come to, of the series that are named: by topic, device, device
template, organization, or by a search for devices in the language of ` + "`devices list -q`" + `.`,
		Example: `  xively data query --template Sensor --channel temp
  xively data query -q 'kitch* connected:true' --interval 1d --functions min,avg,max`,
		Args: atMostArgs(1000),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			if template != "" {
				if template, err = deviceTemplates.find(cmd, c, template); err != nil {
					return err
				}
			}
			ask := object{"topic": args, "deviceId": devices, "channel": channels, "startDateTime": start, "endDateTime": end, "category": category}
			for name, value := range map[string]string{"organizationId": organization, "deviceTemplateId": template, "q": search} {
				if value != "" {
					ask[name] = value
				}
			}
			columns := append([]column{{"TOPIC", "topic"}}, pointColumns...)
			if interval != "" {
				ask["interval"], ask["aggregate"], ask["timezone"], ask["fill"] = interval, functions, timezone, fill
				columns = []column{{"TOPIC", "topic"}, {"TIME", "time"}, {"CATEGORY", "category"}}
				for name := range strings.SplitSeq(functions, ",") {
					columns = append(columns, column{strings.ToUpper(strings.TrimSpace(name)), strings.TrimSpace(name)})
				}
			} else {
				ask["latest"], ask["pageSize"] = true, limit
			}
			for name, value := range ask {
				if value == "" {
					delete(ask, name)
				}
			}
			var answer struct {
				Series []struct {
					Topic  string
					Result []object
				}
			}
			if err := c.call(cmd.Context(), http.MethodPost, "/api/v4/query", ask, &answer); err != nil {
				return err
			}
			var rows []object
			for _, s := range answer.Series {
				for _, r := range s.Result {
					r["topic"] = s.Topic
					rows = append(rows, r)
				}
			}
			return out.list(cmd.OutOrStdout(), rows, columns...)
		},
	}
	server.register(cmd)
	out.register(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&devices, "device", nil, "device `id`; repeat for more")
	f.StringArrayVar(&channels, "channel", nil, "only channels of this `name`; repeat for more")
	f.StringVar(&organization, "organization", "", "devices in the organization with this `id`")
	f.StringVar(&template, "template", "", "devices of the template with this `name` or id")
	f.StringVarP(&search, "query", "q", "", "devices that this `search` finds")
	f.StringVar(&interval, "interval", "", "length of an interval, such as `15m`, 1h, 1d, 1mo (default: the newest points)")
	f.StringVar(&functions, "functions", "avg", "what to print of an interval, separated by commas")
	f.StringVar(&timezone, "timezone", "", "time `zone` that days begin in, such as Europe/Berlin (default: UTC)")
	f.StringVar(&fill, "fill", "", "what stands where an interval has no points")
	f.StringVar(&start, "start", "", "first `time`, such as 2026-01-31T12:00:00Z")
	f.StringVar(&end, "end", "", "last `time`")
	f.StringVar(&category, "category", "", "only points of this `category`")
	f.IntVarP(&limit, "count", "n", 1, "how many of the newest points of each series, 1 to 1000")
	return cmd
}

func newDataSeriesCommand() *cobra.Command {
	var (
		server serverFlags
		out    output
		device string
		limit  int
	)
	cmd := &cobra.Command{
		Use:   "series [PREFIX]",
		Short: "List the series and what each costs: points, bytes, age, when its oldest points go",
		Example: `  xively data series --device 0b6e…
  xively data series xi/blue/v1/… -o csv`,
		Args: atMostArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			prefix := strings.Join(args, "")
			if device != "" {
				prefix = "xi/blue/v1/" + c.AccountID + "/d/" + device + "/"
			}
			var rows []object
			for page := 1; len(rows) < limit; page++ {
				some, total, err := c.list(cmd.Context(), "/api/v4/series"+query("prefix", prefix, "pageSize", "1000", "page", fmt.Sprint(page)), "series")
				if err != nil {
					return err
				}
				if rows = append(rows, some...); len(some) == 0 || len(rows) >= total {
					break
				}
			}
			return out.list(cmd.OutOrStdout(), rows[:min(len(rows), limit)], column{"POINTS", "points"}, column{"BYTES", "bytes"},
				column{"ROLL-UPS", "rollupBytes"}, column{"OLDEST", "oldest"}, column{"NEWEST", "newest"}, column{"KEPT", "keepPoints"},
				column{"EXPIRES", "expires"}, column{"TOPIC", "topic"})
		},
	}
	server.register(cmd)
	out.register(cmd)
	cmd.Flags().StringVar(&device, "device", "", "only the series of the device with this `id`")
	cmd.Flags().IntVar(&limit, "limit", 1000, "at most so many series")
	return cmd
}

func newDataRetentionCommand() *cobra.Command {
	var (
		server            serverFlags
		out               output
		template, channel string
		points, rollups   string
	)
	cmd := &cobra.Command{
		Use:   "retention [--points 90d] [--rollups 5y]",
		Short: "Show or say how long points are kept: in the account, of a device template, or of one of its channels",
		Long: `Show or say how long points, and what they come to by the minute, hour and day, are kept: 36h, 30d, 12w, 5y or forever,
from 1d. What the channel says goes before its device template, and that before the account; where nobody says anything,
the server's configuration holds. An empty text takes back what was said.`,
		Example: `  xively data retention --points 90d --rollups 10y
  xively data retention --template Sensor --points 30d
  xively data retention --template Sensor --channel temp --points forever`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if channel != "" && template == "" {
				return usageError("--channel needs the --template that it is a channel of")
			}
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			path, key := "/api/v4/retention", "retention"
			if template != "" {
				if path, key, err = templatePath(cmd, c, template, channel); err != nil {
					return err
				}
			}
			says, err := c.one(cmd.Context(), http.MethodGet, path, nil, key)
			if err != nil {
				return err
			}
			change := object{}
			if cmd.Flags().Changed("points") {
				change["keepPoints"] = points
			}
			if cmd.Flags().Changed("rollups") {
				change["keepRollups"] = rollups
			}
			if len(change) > 0 {
				if says, err = c.change(cmd.Context(), path, cell(says["version"]), change, key); err != nil {
					return err
				}
			}
			columns := []column{{"POINTS", "keepPoints"}, {"ROLL-UPS", "keepRollups"}}
			if template == "" {
				columns = append(columns, column{"SERVER: POINTS", "serverKeepPoints"}, column{"SERVER: ROLL-UPS", "serverKeepRollups"})
			}
			return out.one(cmd.OutOrStdout(), says, columns...)
		},
	}
	server.register(cmd)
	out.register(cmd)
	cmd.Flags().StringVar(&template, "template", "", "a device template's `name` or id, in place of the account")
	cmd.Flags().StringVar(&channel, "channel", "", "the `name` of one of its channels, with --template")
	cmd.Flags().StringVar(&points, "points", "", "how `long` to keep points")
	cmd.Flags().StringVar(&rollups, "rollups", "", "how `long` to keep what they come to")
	return cmd
}

// templatePath finds a device template, or one of its channels, by name.
func templatePath(cmd *cobra.Command, c *client, template, channel string) (path, key string, err error) {
	id, err := deviceTemplates.find(cmd, c, template)
	if err != nil || channel == "" {
		return "/api/v1/devices/templates/" + id, "deviceTemplate", err
	}
	rows, _, err := c.list(cmd.Context(), "/api/v1/channels/templates"+query("entityId", id, "name", channel), "channelTemplates")
	if err != nil {
		return "", "", err
	}
	if len(rows) != 1 {
		return "", "", &apiError{http.StatusNotFound, fmt.Sprintf("the template has no channel %q", channel)}
	}
	return "/api/v1/channels/templates/" + cell(rows[0]["id"]), "channelTemplate", nil
}
