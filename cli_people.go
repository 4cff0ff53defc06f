package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

// The commands on who owns and uses devices: organizations (groups) and end users.

// A noun is a kind of directory object with the members that people give it on the command line.
type noun struct {
	resource
	templates templates
	members   []member // that of the template is --template
}

// A member is a flag of create and update that sets one member of the object.
type member struct {
	flag, name, usage string
	required          bool
}

var (
	organizationNoun = noun{resource{"organizations", "organization", "organizations", []column{
		{"ID", "id"}, {"NAME", "name"}, {"PARENT", "parentId"}, {"TEMPLATE", "organizationTemplateId"}, {"CREATED", "created"}}},
		organizationTemplates,
		[]member{
			{"name", "name", "`name` for people", true},
			{"parent", "parentId", "`id` of the organization it is in", false},
			{"template", "organizationTemplateId", "its template, by `name or id` (default: the account's default one)", false},
			{"description", "description", "`text`", false},
		}}
	endUserNoun = noun{resource{"end-users", "endUser", "endUsers", []column{
		{"ID", "id"}, {"NAME", "name"}, {"E-MAIL ADDRESS", "emailAddress"}, {"ORGANIZATION", "organizationId"}, {"SIGNS IN AS", "userId"}}},
		endUserTemplates,
		[]member{
			{"name", "name", "`name` of the person", false},
			{"email", "emailAddress", "the person's e-mail `address`", false},
			{"organization", "organizationId", "`id` of the organization (group) the person belongs to", true},
			{"template", "endUserTemplateId", "its template, by `name or id` (default: the account's default one)", false},
			{"phone", "phoneNumber", "phone `number`", false},
		}}
)

func newOrganizationsCommand() *cobra.Command {
	cmd := group("organizations", "Create, list, show, change and delete organizations (groups)")
	cmd.AddCommand(organizationNoun.newCreateCommand(nil), organizationNoun.newListCommand(),
		organizationNoun.newGetCommand(), organizationNoun.newUpdateCommand(), organizationNoun.delete())
	return cmd
}

func newEndUsersCommand() *cobra.Command {
	cmd := group("end-users", "Create, list, show, change and delete end users")
	var signIn bool
	create := endUserNoun.newCreateCommand(func(body object) {
		if signIn {
			body["createIdmUser"] = true
		}
	})
	create.Flags().BoolVar(&signIn, "sign-in", false, "let the person sign in: a link to choose a password is mailed")
	cmd.AddCommand(create, endUserNoun.newListCommand(), endUserNoun.newGetCommand(), endUserNoun.newUpdateCommand(), endUserNoun.delete())
	return cmd
}

// register makes the members' flags and returns what reads them: the members whose flag was given.
func (n noun) register(cmd *cobra.Command) func(*client) (object, error) {
	values := make([]string, len(n.members))
	for i, m := range n.members {
		cmd.Flags().StringVar(&values[i], m.flag, "", m.usage)
	}
	return func(c *client) (object, error) {
		body := object{}
		for i, m := range n.members {
			if !cmd.Flags().Changed(m.flag) {
				continue
			}
			body[m.name] = values[i]
			if m.flag == "template" {
				id, err := n.templates.find(cmd, c, values[i])
				if err != nil {
					return nil, err
				}
				body[m.name] = id
			}
		}
		return body, nil
	}
}

// newCreateCommand returns the command that makes one. more, when not nil, adds to what is sent.
func (n noun) newCreateCommand(more func(object)) *cobra.Command {
	var (
		server serverFlags
		out    output
	)
	cmd := &cobra.Command{Use: "create", Short: "Create one", Args: exactArgs(0)}
	members := n.register(cmd)
	var needed []string
	for _, m := range n.members {
		if m.required {
			cmd.Use += " --" + m.flag + " …"
			needed = append(needed, m.flag)
		}
	}
	required(cmd, needed...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := server.signedIn()
		if err != nil {
			return err
		}
		if n.one == "organization" && !cmd.Flags().Changed("template") { // the server gives end users theirs
			if err := cmd.Flags().Set("template", n.templates.standard); err != nil {
				return err
			}
		}
		body, err := members(c)
		if err != nil {
			return err
		}
		body["accountId"] = c.AccountID
		if more != nil {
			more(body)
		}
		made, err := c.one(cmd.Context(), http.MethodPost, "/api/v1/"+n.path, body, n.one)
		if err != nil {
			return err
		}
		return out.one(cmd.OutOrStdout(), made, n.columns...)
	}
	server.register(cmd)
	out.register(cmd)
	return cmd
}

func (n noun) newListCommand() *cobra.Command {
	var (
		server             serverFlags
		out                output
		text, organization string
		page, size         int
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List them, a page at a time",
		Args:  exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			within := "organizationId"
			if n.one == "organization" {
				within = "parentId"
			}
			rows, total, err := c.list(cmd.Context(), "/api/v1/"+n.path+query("accountId", c.AccountID, "q", text, within, organization,
				"page", strconv.Itoa(page), "pageSize", strconv.Itoa(size)), n.many)
			if err != nil {
				return err
			}
			if page*size < total {
				defer fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d; next: --page %d\n", len(rows), total, page+1)
			}
			return out.list(cmd.OutOrStdout(), rows, n.columns...)
		},
	}
	server.register(cmd)
	out.register(cmd)
	cmd.Flags().StringVarP(&text, "query", "q", "", "only those that match, such as `'kitch* name:ann'`")
	cmd.Flags().StringVar(&organization, "in", "", "only those in the organization with this `id`")
	cmd.Flags().IntVar(&page, "page", 1, "page `number`, from 1")
	cmd.Flags().IntVar(&size, "page-size", 100, "how many a page, 1 to 1000")
	return cmd
}

func (n noun) newGetCommand() *cobra.Command {
	var (
		server serverFlags
		out    output
	)
	cmd := &cobra.Command{
		Use:   "get ID",
		Short: "Show one",
		Args:  exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			one, err := c.one(cmd.Context(), http.MethodGet, "/api/v1/"+n.path+"/"+url.PathEscape(args[0]), nil, n.one)
			if err != nil {
				return err
			}
			return out.one(cmd.OutOrStdout(), one, append(n.columns[:len(n.columns):len(n.columns)], column{"VERSION", "version"})...)
		},
	}
	server.register(cmd)
	out.register(cmd)
	return cmd
}

func (n noun) newUpdateCommand() *cobra.Command {
	var (
		server serverFlags
		out    output
	)
	cmd := &cobra.Command{Use: "update ID", Short: "Change members of one; the others stay", Args: exactArgs(1)}
	members := n.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := server.signedIn()
		if err != nil {
			return err
		}
		body, err := members(c)
		if err != nil {
			return err
		}
		if len(body) == 0 {
			return usageError("nothing to change: see `%s --help`", cmd.CommandPath())
		}
		changed, err := c.one(cmd.Context(), http.MethodPut, "/api/v1/"+n.path+"/"+url.PathEscape(args[0]), body, n.one)
		if err != nil {
			return err
		}
		return out.one(cmd.OutOrStdout(), changed, n.columns...)
	}
	server.register(cmd)
	out.register(cmd)
	return cmd
}
