package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"xively/internal/operate"
)

// The commands that operate a server: how it is, backups, limits.

func newOverviewCommand() *cobra.Command {
	var (
		server serverFlags
		out    output
	)
	cmd := &cobra.Command{
		Use:   "overview",
		Short: "Show figures of the account and the server, and what needs attention",
		Args:  exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			o, err := c.one(cmd.Context(), http.MethodGet, "/api/v1/overview", nil, "overview")
			if err != nil || out.format == "json" {
				if err == nil {
					err = printJSON(cmd.OutOrStdout(), o)
				}
				return err
			}
			row := object{}
			for _, part := range []string{"counts", "traffic", "rates", "server"} {
				members, _ := o[part].(object)
				for name, v := range members {
					row[name] = v
				}
			}
			if storage, ok := row["storage"].(object); ok {
				row["bytes"] = storage["bytes"]
			}
			if err := out.one(cmd.OutOrStdout(), row, column{"DEVICES", "devices"}, column{"CONNECTED", "connectedDevices"}, column{"END USERS", "endUsers"},
				column{"SERIES", "series"}, column{"MESSAGES IN/S", "messagesReceivedPerSecond"}, column{"MESSAGES OUT/S", "messagesDeliveredPerSecond"},
				column{"POINTS/S", "pointsPerSecond"}, column{"UPTIME S", "uptimeSeconds"}, column{"BYTES ON DISK", "bytes"}, column{"VERSION", "version"}); err != nil {
				return err
			}
			if rows := objects(o["attention"]); len(rows) > 0 && out.format == "table" {
				fmt.Fprintln(cmd.OutOrStdout())
				return out.list(cmd.OutOrStdout(), rows, column{"SEVERITY", "severity"}, column{"COUNT", "count"}, column{"ATTENTION", "text"})
			}
			return nil
		},
	}
	server.register(cmd)
	out.register(cmd)
	return cmd
}

var (
	limitsResource = resource{"limits", "limit", "limits", []column{
		{"WHAT", "text"}, {"USED", "used"}, {"LIMIT", "limit"}, {"UNIT", "unit"}, {"SETTING", "setting"}}}
	backupsResource = resource{"backups", "backup", "backups", []column{
		{"NAME", "name"}, {"STATE", "state"}, {"STARTED", "started"}, {"BYTES", "bytes"}, {"SECONDS", "seconds"}, {"ERROR", "error"}}}
)

func newLimitsCommand() *cobra.Command {
	return newTableCommand("limits", "Show what the account has of what is limited, and how long things are kept", limitsResource)
}

func newBackupCommand() *cobra.Command {
	cmd := group("backup", "Make, list, download and remove backups")
	cmd.Long = `Backups of a running server are made by it, in its folder for them (create, list, download, delete, schedule); "backup file"
makes one of a data folder that no server is using. A backup is one file with everything in it: the store at one moment,
the secret key, the private authority. Whoever has it has all accounts. "backup restore" puts the running server back to one;
"xively restore" makes a data folder from a file.`
	cmd.AddCommand(newBackupCreateCommand(),
		newTableCommand("list", "List the server's backups, newest first", backupsResource),
		newBackupDownloadCommand(), backupsResource.deleteBy("NAME", "Remove backups from the server"), newBackupRestoreCommand(), newBackupScheduleCommand(), newBackupFileCommand())
	return cmd
}

func newBackupCreateCommand() *cobra.Command {
	var (
		server serverFlags
		out    output
	)
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a backup of the running server, on the server",
		Args:  exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			one, err := c.one(cmd.Context(), http.MethodPost, "/api/v1/backups", nil, "backup")
			for err == nil && one["state"] == "running" {
				if err = pause(cmd.Context(), importPoll); err == nil {
					one, err = c.one(cmd.Context(), http.MethodGet, "/api/v1/backups/"+url.PathEscape(cell(one["name"])), nil, "backup")
				}
			}
			if err != nil {
				return err
			}
			if err := out.one(cmd.OutOrStdout(), one, backupsResource.columns...); err != nil {
				return err
			}
			if one["state"] != "done" {
				return fmt.Errorf("%s", cell(one["error"]))
			}
			return nil
		},
	}
	server.register(cmd)
	out.register(cmd)
	return cmd
}

func newBackupDownloadCommand() *cobra.Command {
	var server serverFlags
	cmd := &cobra.Command{
		Use:   "download NAME FILE",
		Short: "Save a backup of the server here",
		Long:  `Save a backup of the server in a new file, mode 0600. An API key cannot do this: the file holds every secret of the server.`,
		Args:  exactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			resp, err := c.send(cmd.Context(), c.unhurried(), http.MethodGet, "/api/v1/backups/"+url.PathEscape(args[0])+"/file", "", nil)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			m, err := operate.SaveBackup(args[1], resp.Body)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is whole, made %s\n", args[1], m.Created.Format("2006-01-02 15:04:05 MST"))
			return nil
		},
	}
	server.register(cmd)
	return cmd
}

func newBackupRestoreCommand() *cobra.Command {
	var (
		server serverFlags
		sure   bool
	)
	cmd := &cobra.Command{
		Use:   "restore NAME --yes",
		Short: "Put the running server back to a backup",
		Long: `Put everything back as it was when the backup was made, accounts, secrets and sign-ins with it. The server unpacks and checks the
backup while it goes on, then stops in order and starts again, which ends every connection. What it had until then is kept in
a folder of its own in the data folder. An API key cannot do this.`,
		Example: `  xively backup restore xively-20260131T020000Z-scheduled.tar.zst --yes`,
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !sure {
				return usageError("this replaces everything the server has: say --yes")
			}
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			path := "/api/v1/backups/" + url.PathEscape(args[0])
			one, err := c.one(cmd.Context(), http.MethodPost, path+"/restore", nil, "backup")
			if err != nil {
				return err
			}
			for one["state"] == "restoring" {
				if err := pause(cmd.Context(), importPoll); err != nil {
					return err
				}
				next, err := c.one(cmd.Context(), http.MethodGet, path, nil, "backup")
				if ctx := cmd.Context().Err(); ctx != nil {
					return ctx
				}
				if err != nil {
					break // it has stopped, or knows this sign-in no more
				}
				one = next
			}
			if text := cell(one["error"]); text != "" {
				return errors.New(text)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "The server starts again with %s. If you signed in after it was made, sign in again.\n", args[0])
			return nil
		},
	}
	server.register(cmd)
	cmd.Flags().BoolVar(&sure, "yes", false, "replace everything")
	return cmd
}

func newBackupScheduleCommand() *cobra.Command {
	var (
		server      serverFlags
		out         output
		every, keep int
	)
	cmd := &cobra.Command{
		Use:     "schedule [--every HOURS] [--keep N]",
		Short:   "Show or set when backups are made by themselves",
		Example: `  xively backup schedule --every 24 --keep 7`,
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			body := object{}
			for name, v := range map[string]int{"every": every, "keep": keep} {
				if cmd.Flags().Changed(name) {
					body[map[string]string{"every": "everyHours", "keep": "keep"}[name]] = v
				}
			}
			method, sent := http.MethodGet, any(nil)
			if len(body) > 0 {
				method, sent = http.MethodPut, body
			}
			v, err := c.one(cmd.Context(), method, "/api/v1/backups/schedule", sent, "schedule")
			if err != nil {
				return err
			}
			return out.one(cmd.OutOrStdout(), v, column{"EVERY HOURS", "everyHours"}, column{"KEEP", "keep"}, column{"NEXT", "next"}, column{"FOLDER", "folder"}, column{"RESTORE", "restoreCommand"})
		},
	}
	server.register(cmd)
	out.register(cmd)
	cmd.Flags().IntVar(&every, "every", 0, "`hours` between two; 0 for none")
	cmd.Flags().IntVar(&keep, "keep", 7, "how many of them are kept")
	return cmd
}

func newBackupFileCommand() *cobra.Command {
	var flags configFlags
	cmd := &cobra.Command{
		Use:     "file FILE",
		Short:   "Make a backup of a data folder that no server is using",
		Example: `  xively backup file monday.tar.zst --data /var/lib/xively`,
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, _, err := flags.load(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if err := operate.BackupFolder(cfg.Data, args[0], version()); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s holds everything in %s\n", args[0], cfg.Data)
			return nil
		},
	}
	flags.register(cmd)
	return cmd
}

func newRestoreCommand() *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "restore FILE --data DIR",
		Short: "Make a data folder from a backup",
		Long: `Make a data folder from a backup, and check every checksum in it before the folder gets its name. The folder must not exist
or be empty: to go back to a backup, stop the server, move its folder away, and restore under the same name.`,
		Example: `  mv data data.old; xively restore monday.tar.zst --data data; xively serve --data data`,
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, report, err := operate.Restore(cmd.Context(), args[0], data)
			if err != nil {
				return err
			}
			printReport(cmd.OutOrStdout(), report)
			fmt.Fprintf(cmd.OutOrStdout(), "%s is as it was on %s (made by xively %s)\n", data, m.Created.Format("2006-01-02 15:04:05 MST"), printable(m.Version))
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "the new data `folder`")
	required(cmd, "data")
	return cmd
}

func newServerCommand() *cobra.Command {
	cmd := group("server", "Show the server's certificate and mail settings, and send a test mail")
	cmd.AddCommand(
		newShowCommand("certificate", "Show the certificate that clients are shown", "/api/v1/server/certificate", "certificate",
			column{"SOURCE", "source"}, column{"SUBJECT", "subject"}, column{"NAMES", "names"}, column{"ISSUER", "issuer"}, column{"NOT BEFORE", "notBefore"},
			column{"NOT AFTER", "notAfter"}, column{"KEY", "key"}, column{"SHA-256", "sha256"}),
		newShowCommand("mail", "Show how mails go out", "/api/v1/server/mail", "mail",
			column{"CONFIGURED", "configured"}, column{"HOST", "host"}, column{"PORT", "port"}, column{"SECURITY", "security"}, column{"USER", "user"},
			column{"FROM", "from"}, column{"FAILED", "failed"}, column{"LINKS TO", "publicUrl"}),
		newTestMailCommand())
	return cmd
}

// newShowCommand returns a command that shows one object.
func newShowCommand(use, short, path, key string, columns ...column) *cobra.Command {
	var (
		server serverFlags
		out    output
	)
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			one, err := c.one(cmd.Context(), http.MethodGet, path, nil, key)
			if err != nil {
				return err
			}
			return out.one(cmd.OutOrStdout(), one, columns...)
		},
	}
	server.register(cmd)
	out.register(cmd)
	return cmd
}

func newTestMailCommand() *cobra.Command {
	var server serverFlags
	cmd := &cobra.Command{
		Use:   "test-mail ADDRESS",
		Short: "Send a mail, to see whether mails arrive",
		Args:  exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			r, err := c.one(cmd.Context(), http.MethodPost, "/api/v1/server/mail/test", object{"to": args[0]}, "mailTest")
			if err != nil {
				return err
			}
			if r["sent"] != true {
				return fmt.Errorf("the mail was not sent: %s", cell(r["error"]))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "The mail server took the mail to %s in %s s\n", args[0], cell(r["seconds"]))
			return nil
		},
	}
	server.register(cmd)
	return cmd
}
