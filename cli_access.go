package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// The commands that answer why and who: access, and the audit trail.

func newAccessCommand() *cobra.Command {
	cmd := group("access", "Ask who may do what, and why")
	cmd.AddCommand(newExplainCommand(),
		newReachCommand("users DEVICE", "List who can see a device, and by which path", "devices", "users", "users"),
		newReachCommand("devices USER", "List which devices an end user or account user can see, and by which path", "users", "devices", "devices"))
	return cmd
}

func newExplainCommand() *cobra.Command {
	var (
		server                    serverFlags
		out                       output
		principal, action, object string
	)
	cmd := &cobra.Command{
		Use:   "explain --action ACTION --object OBJECT",
		Short: "Say whether somebody may do something, and why",
		Long: `Say whether somebody may do something, in words. Without --principal it is about you.
Actions: associate, create, credential, delete, publish, read, receive, share, subscribe, update.`,
		Example: `  xively access explain --principal endUser:0b6e… --action read --object device:77aa…
  xively access explain --principal device:77aa… --action publish --object xi/blue/v1/…/temp`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			answer, err := c.one(cmd.Context(), http.MethodGet, "/api/v1/access/explain"+query("principal", principal, "action", action, "object", object), nil, "access")
			if err != nil {
				return err
			}
			if out.format != "table" {
				return out.one(cmd.OutOrStdout(), answer, column{"ALLOWED", "allowed"}, column{"WHY", "text"}, column{"MISSING", "missing"})
			}
			fmt.Fprintln(cmd.OutOrStdout(), printable(cell(answer["text"])))
			return nil
		},
	}
	server.register(cmd)
	out.register(cmd)
	cmd.Flags().StringVar(&principal, "principal", "", "who: the `id` of an end user, account user or device")
	cmd.Flags().StringVar(&action, "action", "", "what: one `word`")
	cmd.Flags().StringVar(&object, "object", "", "to what: an `id` or a topic")
	required(cmd, "action", "object")
	return cmd
}

// newReachCommand lists one side of the map of who reaches what: GET /access/<of>/{id}/<to>.
func newReachCommand(use, short, of, to, key string) *cobra.Command {
	var (
		server serverFlags
		out    output
	)
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			rows, total, err := c.list(cmd.Context(), "/api/v1/access/"+of+"/"+url.PathEscape(args[0])+"/"+to+query("pageSize", "1000"), key)
			if err != nil {
				return err
			}
			if len(rows) < total {
				defer fmt.Fprintf(cmd.ErrOrStderr(), "the first %d of %d\n", len(rows), total)
			}
			return out.list(cmd.OutOrStdout(), rows, column{"KIND", "kind"}, column{"ID", "id"}, column{"NAME", "name"},
				column{"MAY", "permissions"}, column{"WHY", "text"})
		},
	}
	server.register(cmd)
	out.register(cmd)
	return cmd
}

func newAuditCommand() *cobra.Command {
	cmd := group("audit", "Look at what was changed, and undo it")
	cmd.AddCommand(newAuditListCommand(), newAuditUndoCommand())
	return cmd
}

func newAuditListCommand() *cobra.Command {
	var (
		server                         serverFlags
		out                            output
		object, kind, by, action, text string
		from, to                       string
		page, size                     int
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List changes of the directory, newest first",
		Example: `  xively audit list --object 77aa…
  xively audit list --kind device --action delete --from 2026-01-31T00:00:00Z`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			rows, total, err := c.list(cmd.Context(), "/api/v1/audit"+query("objectId", object, "kind", kind, "by", by, "action", action,
				"q", text, "from", from, "to", to, "page", strconv.Itoa(page), "pageSize", strconv.Itoa(size)), "audit")
			if err != nil {
				return err
			}
			if page*size < total {
				defer fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d; next: --page %d\n", len(rows), total, page+1)
			}
			for _, row := range rows {
				row["change"] = changeText(row["before"], row["after"])
			}
			return out.list(cmd.OutOrStdout(), rows, column{"ID", "id"}, column{"AT", "at"}, column{"BY", "byName"}, column{"FROM", "remote"},
				column{"ACTION", "action"}, column{"KIND", "kind"}, column{"NAME", "name"}, column{"CHANGE", "change"})
		},
	}
	server.register(cmd)
	out.register(cmd)
	cmd.Flags().StringVar(&object, "object", "", "only changes of the object with this `id`")
	cmd.Flags().StringVar(&kind, "kind", "", "only of this `kind`, such as device")
	cmd.Flags().StringVar(&by, "by", "", "only by the user with this `id`")
	cmd.Flags().StringVar(&action, "action", "", "only these: create, update, delete or recover")
	cmd.Flags().StringVarP(&text, "query", "q", "", "only with these `words`")
	cmd.Flags().StringVar(&from, "from", "", "from this `time` on, such as 2026-01-31T12:00:00Z")
	cmd.Flags().StringVar(&to, "to", "", "until this `time`")
	cmd.Flags().IntVar(&page, "page", 1, "page `number`, from 1")
	cmd.Flags().IntVar(&size, "page-size", 50, "changes per page, 1 to 1000")
	return cmd
}

// changeText says in a line what a change did: "name: Kitchen → Hall".
func changeText(before, after any) string {
	was, _ := before.(object)
	is, _ := after.(object)
	var parts []string
	for _, name := range sortedKeys(is) {
		if v, ok := was[name]; ok && v != nil {
			parts = append(parts, name+": "+cell(v)+" → "+cell(is[name]))
		} else if is[name] != nil {
			parts = append(parts, name+": "+cell(is[name]))
		}
	}
	return strings.Join(parts, ", ")
}

func newAuditUndoCommand() *cobra.Command {
	var server serverFlags
	cmd := &cobra.Command{
		Use:   "undo ID",
		Short: "Put back what a change changed, or recover what it deleted",
		Args:  exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			var answer map[string]json.RawMessage
			if err := c.call(cmd.Context(), http.MethodPost, "/api/v1/audit/"+url.PathEscape(args[0])+"/undo", object{}, &answer); err != nil {
				return err
			}
			for kind, text := range answer {
				var o object
				if err := json.Unmarshal(text, &o); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "Undone; %s %s is version %s now\n", kind, cell(o["id"]), printable(cell(o["version"])))
			}
			return nil
		},
	}
	server.register(cmd)
	return cmd
}
