package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// topicFlags name a channel: by its whole topic, or by device and channel.
type topicFlags struct{ device, channel string }

func (f *topicFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.device, "device", "", "device `id`, with --channel in place of a topic")
	cmd.Flags().StringVar(&f.channel, "channel", "", "channel `name`, with --device")
}

// topic returns the topic of args (at most one) or of the flags.
func (f *topicFlags) topic(account string, args []string) (string, error) {
	switch {
	case len(args) == 1 && f.device == "" && f.channel == "":
		return args[0], nil
	case len(args) == 0 && f.device != "" && f.channel != "" && account != "":
		return "xi/blue/v1/" + account + "/d/" + f.device + "/" + f.channel, nil
	case len(args) == 0 && f.device != "" && f.channel != "":
		return "", usageError("--device and --channel need the account: sign in first, or give the whole topic")
	}
	return "", usageError("want a topic, or --device and --channel")
}

var pointColumns = []column{{"TIME", "time"}, {"CATEGORY", "category"}, {"NUMBER", "numericValue"}, {"TEXT", "stringValue"}}

func newDataCommand() *cobra.Command {
	cmd := group("data", "Read, aggregate and move the points of time-series channels")
	cmd.AddCommand(newDataGetCommand(), newDataLatestCommand(), newDataAggregateCommand(), newDataExportCommand(), newDataImportCommand(),
		newDataQueryCommand(), newDataSeriesCommand(), newDataRetentionCommand())
	return cmd
}

// dataPath escapes a topic level by level; slashes stay, as most clients send them.
func dataPath(topic string) string {
	levels := strings.Split(topic, "/")
	for i, l := range levels {
		levels[i] = url.PathEscape(l)
	}
	return "/api/v4/data/" + strings.Join(levels, "/")
}

type points struct {
	Meta   struct{ PagingToken string }
	Result []object
}

// getPoints is an empty result where the server says 404, which for points means that there are none.
func getPoints(cmd *cobra.Command, c *client, path string) (p points, err error) {
	err = c.call(cmd.Context(), http.MethodGet, path, nil, &p)
	var answer *apiError
	if errors.As(err, &answer) && answer.Status == http.StatusNotFound {
		fmt.Fprintln(cmd.ErrOrStderr(), "No points:", answer.Message)
		err = nil
	}
	return p, err
}

func newDataGetCommand() *cobra.Command {
	var (
		server               serverFlags
		out                  output
		from                 topicFlags
		start, end, category string
		limit                int
	)
	cmd := &cobra.Command{
		Use:   "get [TOPIC]",
		Short: "Print the points of a range of time, oldest first",
		Example: `  xively data get --device 0b6e… --channel temp
  xively data get xi/blue/v1/…/temp --start 2026-01-31T00:00:00Z --limit 100000 -o csv`,
		Args: atMostArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			topic, err := from.topic(c.AccountID, args)
			if err != nil {
				return err
			}
			var rows []object
			for token := ""; len(rows) < limit; {
				page, err := getPoints(cmd, c, dataPath(topic)+query("startDateTime", start, "endDateTime", end,
					"category", category, "pageSize", strconv.Itoa(min(limit-len(rows), 1000)), "pagingToken", token))
				if err != nil {
					return err
				}
				rows = append(rows, page.Result...)
				if token = page.Meta.PagingToken; token == "" || len(page.Result) == 0 {
					break
				}
			}
			return out.list(cmd.OutOrStdout(), rows, pointColumns...)
		},
	}
	server.register(cmd)
	out.register(cmd)
	from.register(cmd)
	cmd.Flags().StringVar(&start, "start", "", "first `time`, such as 2026-01-31T12:00:00Z")
	cmd.Flags().StringVar(&end, "end", "", "`time` to stop before")
	cmd.Flags().StringVar(&category, "category", "", "only points of this `category`")
	cmd.Flags().IntVar(&limit, "limit", 1000, "at most so many points")
	return cmd
}

func newDataLatestCommand() *cobra.Command {
	var (
		server serverFlags
		out    output
		from   topicFlags
		n      int
	)
	cmd := &cobra.Command{
		Use:   "latest [TOPIC]",
		Short: "Print the newest points, newest first",
		Args:  atMostArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			topic, err := from.topic(c.AccountID, args)
			if err != nil {
				return err
			}
			page, err := getPoints(cmd, c, dataPath(topic)+"/latest"+query("pageSize", strconv.Itoa(n)))
			if err != nil {
				return err
			}
			return out.list(cmd.OutOrStdout(), page.Result, pointColumns...)
		},
	}
	server.register(cmd)
	out.register(cmd)
	from.register(cmd)
	cmd.Flags().IntVarP(&n, "count", "n", 1, "how many points, 1 to 1000")
	return cmd
}

// claims are the members of a token that a client reads. Nothing is verified: that is the server's business.
type claims struct {
	AccountID string `json:"accountId"`
	UserID    string `json:"userId"`
}

func tokenClaims(token string) (c claims, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, errors.New("the server's token is not a JWT")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return c, fmt.Errorf("the server's token cannot be read: %w", err)
	}
	return c, nil
}
