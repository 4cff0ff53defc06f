package main

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

// The commands on MQTT clients and what goes through the broker.

var clientColumns = []column{
	{"ID", "id"}, {"CLIENT ID", "clientId"}, {"PRINCIPAL", "principal"}, {"CONNECTED", "connected"}, {"REMOTE", "remoteAddress"},
	{"IN", "messagesIn"}, {"OUT", "messagesOut"}, {"QUEUED", "queued"}, {"DROPPED", "dropped"}, {"REFUSED", "refused"}, {"SUBSCRIPTIONS", "subscriptionCount"},
}

func newClientsCommand() *cobra.Command {
	cmd := group("clients", "List, show, disconnect and clear MQTT clients; topics and retained messages")
	cmd.AddCommand(newClientsListCommand(), newClientsShowCommand(),
		newClientsEndCommand("disconnect", "End a client's connection; it may connect again at once"),
		newClientsEndCommand("clear", "End a client's connection and its session: subscriptions, what waits and what is in flight"),
		newClientsTopicsCommand(), newClientsRetainedCommand())
	return cmd
}

func newClientsListCommand() *cobra.Command {
	var (
		server                   serverFlags
		out                      output
		device, part             string
		connected, away          bool
		count                    int
		principal, principalType string
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List MQTT clients that are connected or have a session",
		Args:  exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if connected && away {
				return usageError("give --connected or --away, not both")
			}
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			there := map[[2]bool]string{{true, false}: "true", {false, true}: "false"}[[2]bool{connected, away}]
			rows, total, err := c.list(cmd.Context(), "/api/v1/messaging/clients"+query("deviceId", device, "principalId", principal,
				"principalType", principalType, "clientId", part, "connected", there, "pageSize", fmt.Sprint(count)), "clients")
			if err != nil {
				return err
			}
			if total > len(rows) {
				fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d; ask for more with --count or narrow the list\n", len(rows), total)
			}
			for _, row := range rows {
				withPrincipal(row)
			}
			return out.list(cmd.OutOrStdout(), rows, clientColumns...)
		},
	}
	server.register(cmd)
	out.register(cmd)
	f := cmd.Flags()
	f.StringVar(&device, "device", "", "only this device's `id`")
	f.StringVar(&principal, "principal", "", "only clients of who has this `id`")
	f.StringVar(&principalType, "type", "", "only clients of devices, …: device, accountUser, endUser, application, anonymous")
	f.StringVar(&part, "client-id", "", "only client identifiers with this `text` in them")
	f.BoolVar(&connected, "connected", false, "only those that are connected")
	f.BoolVar(&away, "away", false, "only those that are not")
	f.IntVarP(&count, "count", "n", 100, "how many, 1 to 1000")
	return cmd
}

// withPrincipal adds who a client signed in as, in one text.
func withPrincipal(row object) {
	row["principal"] = cell(row["principalType"]) + " " + cell(row["principalId"])
}

func newClientsShowCommand() *cobra.Command {
	var (
		server serverFlags
		out    output
	)
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show an MQTT client with its subscriptions",
		Args:  exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			row, err := c.one(cmd.Context(), http.MethodGet, "/api/v1/messaging/clients/"+args[0], nil, "client")
			if err != nil {
				return err
			}
			withPrincipal(row)
			columns := append([]column{}, clientColumns...)
			for _, name := range []string{"protocol", "transport", "tlsVersion", "keepAlive", "connectedAt", "lastSeenAt", "cleanSession",
				"bytesIn", "bytesOut", "queuedBytes", "inflight", "unreleased", "subscriptions"} {
				if row[name] != nil {
					columns = append(columns, column{name, name})
				}
			}
			return out.one(cmd.OutOrStdout(), row, columns...)
		},
	}
	server.register(cmd)
	out.register(cmd)
	return cmd
}

func newClientsEndCommand(what, short string) *cobra.Command {
	var (
		server serverFlags
		reason string
	)
	cmd := &cobra.Command{
		Use:   what + " ID",
		Short: short,
		Args:  exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			return c.call(cmd.Context(), http.MethodPost, "/api/v1/messaging/clients/"+args[0]+"/"+what, object{"reason": reason}, nil)
		},
	}
	server.register(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why: stands in the log")
	return cmd
}

func newClientsTopicsCommand() *cobra.Command {
	var (
		server     serverFlags
		out        output
		filter, by string
		count      int
	)
	cmd := &cobra.Command{
		Use:   "topics",
		Short: "List the busiest topics since the server's start",
		Args:  exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			rows, _, err := c.list(cmd.Context(), "/api/v1/messaging/topics"+query("filter", filter, "sortBy", by, "pageSize", fmt.Sprint(count)), "topics")
			if err != nil {
				return err
			}
			return out.list(cmd.OutOrStdout(), rows, column{"TOPIC", "topic"}, column{"MESSAGES", "messages"}, column{"BYTES", "bytes"},
				column{"LAST SEEN", "lastSeen"}, column{"RETAINED", "retained"})
		},
	}
	server.register(cmd)
	out.register(cmd)
	cmd.Flags().StringVar(&filter, "filter", "", "only topics that this MQTT `filter` matches")
	cmd.Flags().StringVar(&by, "sort", "messages", "messages, bytes, lastSeen or topic")
	cmd.Flags().IntVarP(&count, "count", "n", 50, "how many, 1 to 1000")
	return cmd
}

func newClientsRetainedCommand() *cobra.Command {
	var (
		server serverFlags
		out    output
		filter string
		count  int
	)
	cmd := &cobra.Command{
		Use:   "retained",
		Short: "List retained messages; payloads in base64",
		Args:  exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			rows, _, err := c.list(cmd.Context(), "/api/v1/messaging/retained"+query("filter", filter, "pageSize", fmt.Sprint(count)), "retained")
			if err != nil {
				return err
			}
			return out.list(cmd.OutOrStdout(), rows, column{"TOPIC", "topic"}, column{"QOS", "qos"}, column{"BYTES", "payloadBytes"}, column{"PAYLOAD", "payload"})
		},
	}
	server.register(cmd)
	out.register(cmd)
	cmd.Flags().StringVar(&filter, "filter", "", "only topics that this MQTT `filter` matches")
	cmd.Flags().IntVarP(&count, "count", "n", 50, "how many, 1 to 1000")
	return cmd
}
