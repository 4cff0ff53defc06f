package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"xively/identity"
)

// The commands on accounts, people and what signs in for them. Those under accounts are the operator's: they work on a
// data folder that no server is using. The others talk to a server as who is signed in.

func newAccountsCommand() *cobra.Command {
	cmd := group("accounts", "Make and list accounts and help people in, on a data folder that no server is using")
	cmd.AddCommand(newAccountsCreateCommand(), newAccountsListCommand(), newResetPasswordCommand(), newResetLinkCommand())
	return cmd
}

// newAccountCommand is the account of who is signed in, over REST.
func newAccountCommand() *cobra.Command {
	var (
		server            serverFlags
		out               output
		name, email, site string
		columns           = []column{{"ID", "id"}, {"NAME", "name"}, {"DEVICES", "devicesCount"}, {"END USERS", "endUsersCount"}, {"GROUPS", "organizationsCount"}, {"ADMINS", "accountUsersCount"}}
	)
	cmd := &cobra.Command{
		Use:     "account",
		Short:   "Show the account you are signed in to, or change its name and whom to ask about it",
		Example: `  xively account --name "Acme Ltd"`,
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			path := "/api/v1/accounts/" + c.AccountID
			change := object{}
			for flag, member := range map[string]string{"name": "name", "email": "emailAddress", "website": "websiteAddress"} {
				if cmd.Flags().Changed(flag) {
					change[member] = cmd.Flag(flag).Value.String()
				}
			}
			var account object
			if len(change) > 0 {
				account, err = c.one(cmd.Context(), http.MethodPut, path, change, "account")
			} else {
				account, err = c.one(cmd.Context(), http.MethodGet, path, nil, "account")
			}
			if err != nil {
				return err
			}
			return out.one(cmd.OutOrStdout(), account, columns...)
		},
	}
	server.register(cmd)
	out.register(cmd)
	cmd.Flags().StringVar(&name, "name", "", "give the account this `name`")
	cmd.Flags().StringVar(&email, "email", "", "`address` of whom to ask about the account")
	cmd.Flags().StringVar(&site, "website", "", "`address` of its website")
	return cmd
}

// onFolder runs do on the directory of the configured data folder.
func onFolder(cmd *cobra.Command, flags *configFlags, do func(*identity.Service) error) (err error) {
	cfg, log, err := flags.load(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	d, err := openDirectory(cfg, quieter(log))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close(cmd.Context())) }()
	return do(d.identity)
}

// newAccountsCreateCommand is init for a folder that may have accounts already.
func newAccountsCreateCommand() *cobra.Command {
	cmd := newInitCommand()
	cmd.Use, cmd.Short = "create --email ADDRESS", "Make an account and its administrator"
	cmd.Long = "Make an account and its administrator. Accounts share nothing but the server."
	cmd.Example = `  xively accounts create --data ./data --email bob@example.com --account-name Bob --password-stdin < password`
	another := cmd.Flags().Lookup("another")
	another.Hidden = true
	_ = another.Value.Set("true") // never fails for true
	return cmd
}

func newAccountsListCommand() *cobra.Command {
	var (
		flags configFlags
		out   output
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the accounts",
		Long:  "List the accounts in a data folder. `xively init --another` makes one more.",
		Args:  exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return onFolder(cmd, &flags, func(id *identity.Service) error {
				accounts, err := id.Accounts()
				if err != nil {
					return err
				}
				rows := make([]object, len(accounts))
				for i, a := range accounts {
					rows[i] = object{"id": a.ID, "name": a.Name, "created": a.Created.Format(time.RFC3339)}
				}
				return out.list(cmd.OutOrStdout(), rows, column{"ID", "id"}, column{"NAME", "name"}, column{"CREATED", "created"})
			})
		},
	}
	flags.register(cmd)
	out.register(cmd)
	return cmd
}

func newResetPasswordCommand() *cobra.Command {
	var (
		flags          configFlags
		password       passwordFlags
		email, account string
	)
	cmd := &cobra.Command{
		Use:   "reset-password --email ADDRESS",
		Short: "Give a user a new password, take the second factor away, and end all sessions",
		Args:  exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			secret, err := password.read(cmd)
			if err != nil {
				return err
			}
			return onFolder(cmd, &flags, func(id *identity.Service) error {
				if err := id.ResetUser(cmd.Context(), account, email, secret); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s has the new password\n", email)
				return nil
			})
		},
	}
	flags.register(cmd)
	password.register(cmd)
	cmd.Flags().StringVar(&email, "email", "", "the user's e-mail `address`")
	cmd.Flags().StringVar(&account, "account", "", "account `id`, when the address belongs to several accounts")
	required(cmd, "email")
	return cmd
}

func newResetLinkCommand() *cobra.Command {
	var (
		flags          configFlags
		email, account string
	)
	cmd := &cobra.Command{
		Use:   "reset-link --email ADDRESS",
		Short: "Print a link by which a user can choose a new password within 30 minutes",
		Args:  exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return onFolder(cmd, &flags, func(id *identity.Service) error {
				link, err := id.ResetLink(account, email)
				if err == nil {
					fmt.Fprintln(cmd.OutOrStdout(), link)
				}
				return err
			})
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVar(&email, "email", "", "the user's e-mail `address`")
	cmd.Flags().StringVar(&account, "account", "", "account `id`, when the address belongs to several accounts")
	required(cmd, "email")
	return cmd
}

// resource is a kind of object that is listed, made and deleted at one path.
type resource struct {
	path, one, many string // api-keys, apiKey, apiKeys
	columns         []column
}

var (
	sessionsResource = resource{"sessions", "session", "sessions", []column{
		{"ID", "id"}, {"CREATED", "created"}, {"LAST USED", "lastUsed"}, {"METHOD", "method"}, {"FROM", "remote"}, {"CURRENT", "current"}}}
	apiKeysResource = resource{"api-keys", "apiKey", "apiKeys", []column{
		{"ID", "id"}, {"NAME", "name"}, {"SCOPES", "scopes"}, {"EXPIRES", "expires"}, {"LAST USED", "lastUsed"}}}
	applicationsResource = resource{"applications", "application", "applications", []column{
		{"ID", "id"}, {"NAME", "name"}, {"TYPE", "type"}, {"CREATED", "created"}}}
	invitationsResource = resource{"invitations", "invitation", "invitations", []column{
		{"ID", "id"}, {"E-MAIL ADDRESS", "emailAddress"}, {"EXPIRES", "expires"}}}
	usersResource = resource{"users", "user", "users", []column{
		{"ID", "id"}, {"E-MAIL ADDRESS", "emailAddress"}, {"FIRST NAME", "firstName"}, {"LAST NAME", "lastName"}, {"DISABLED", "disabled"}}}
)

func (r resource) list() *cobra.Command {
	return newTableCommand("list", "List them", r)
}

// newTableCommand returns a command that lists a resource.
func newTableCommand(use, short string, r resource) *cobra.Command {
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
			rows, total, err := c.list(cmd.Context(), "/api/v1/"+r.path+query("pageSize", "1000"), r.many)
			if err != nil {
				return err
			}
			if len(rows) < total {
				defer fmt.Fprintf(cmd.ErrOrStderr(), "the first %d of %d\n", len(rows), total)
			}
			return out.list(cmd.OutOrStdout(), rows, r.columns...)
		},
	}
	server.register(cmd)
	out.register(cmd)
	return cmd
}

func (r resource) delete() *cobra.Command {
	return r.deleteBy("ID", "Delete by id; what they gave access to is closed at once")
}

func (r resource) deleteBy(what, short string) *cobra.Command {
	var server serverFlags
	cmd := &cobra.Command{
		Use:   "delete " + what + "…",
		Short: short,
		Args:  atLeastArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			for _, id := range args {
				if err := c.call(cmd.Context(), http.MethodDelete, "/api/v1/"+r.path+"/"+url.PathEscape(id), nil, nil); err != nil {
					return fmt.Errorf("%s %s: %w", r.one, id, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "Deleted %s %s\n", r.one, id)
			}
			return nil
		},
	}
	server.register(cmd)
	return cmd
}

// create returns a command that posts body and shows the answer with more columns, such as a secret that is shown once.
func (r resource) create(use, short string, flags func(*cobra.Command), body func() object, more ...column) *cobra.Command {
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
			made, err := c.one(cmd.Context(), http.MethodPost, "/api/v1/"+r.path, body(), r.one)
			if err != nil {
				return err
			}
			return out.one(cmd.OutOrStdout(), made, append(r.columns[:len(r.columns):len(r.columns)], more...)...)
		},
	}
	server.register(cmd)
	out.register(cmd)
	flags(cmd)
	return cmd
}

func newSessionsCommand() *cobra.Command {
	cmd := group("sessions", "List and end your sign-ins")
	cmd.AddCommand(sessionsResource.list(), sessionsResource.delete())
	return cmd
}

func newAPIKeysCommand() *cobra.Command {
	var (
		name, expires string
		scopes        []string
	)
	cmd := group("api-keys", "Make, list and delete your API keys")
	create := apiKeysResource.create("create --name NAME", "Make a key and print it, once", func(cmd *cobra.Command) {
		cmd.Flags().StringVar(&name, "name", "", "`name` to tell it by")
		cmd.Flags().StringSliceVar(&scopes, "scope", []string{"read"}, "what it is good for: read, write, messaging")
		cmd.Flags().StringVar(&expires, "expires", "", "`time` it runs out, such as 2030-01-31T00:00:00Z (default: never)")
		required(cmd, "name")
	}, func() object {
		body := object{"name": name, "scopes": scopes}
		if expires != "" {
			body["expires"] = expires
		}
		return body
	}, column{"KEY", "key"})
	cmd.AddCommand(create, apiKeysResource.list(), apiKeysResource.delete())
	return cmd
}

func newApplicationsCommand() *cobra.Command {
	var (
		name, kind, organization string
		redirects                []string
	)
	cmd := group("applications", "Make, list and delete application credentials")
	create := applicationsResource.create("create --name NAME --type TYPE", "Make an application and print its token, once", func(cmd *cobra.Command) {
		cmd.Flags().StringVar(&name, "name", "", "`name` for people")
		cmd.Flags().StringVar(&kind, "type", "", "backEnd, on your servers, or endUser, in people's hands")
		cmd.Flags().StringVar(&organization, "organization", "", "`id` of the group whose end users it signs up")
		cmd.Flags().StringSliceVar(&redirects, "redirect-uri", nil, "`URI` to come back to after signing in here by OpenID")
		required(cmd, "name", "type")
	}, func() object {
		body := object{"name": name, "type": kind}
		if organization != "" {
			body["organizationId"] = organization
		}
		if len(redirects) > 0 {
			body["redirectUris"] = redirects
		}
		return body
	}, column{"TOKEN", "appToken"})
	cmd.AddCommand(create, applicationsResource.list(), applicationsResource.delete())
	return cmd
}

func newUsersCommand() *cobra.Command {
	var email string
	cmd := group("users", "List who can sign in to the account, and invite admins")
	invite := invitationsResource.create("invite --email ADDRESS", "Invite an admin: mail the link, and print it", func(cmd *cobra.Command) {
		cmd.Flags().StringVar(&email, "email", "", "the `address` to invite")
		required(cmd, "email")
	}, func() object { return object{"emailAddress": email} }, column{"LINK", "link"})
	invitations := group("invitations", "List and take back open invitations")
	invitations.AddCommand(invitationsResource.list(), invitationsResource.delete())
	cmd.AddCommand(usersResource.list(), usersResource.delete(), invite, invitations)
	return cmd
}
