package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// The commands on the object directory: devices, templates, credentials.

var deviceColumns = []column{
	{"ID", "id"}, {"SERIAL NUMBER", "serialNumber"}, {"NAME", "name"}, {"STATE", "provisioningState"},
	{"CONNECTED", "connected"}, {"TEMPLATE", "deviceTemplateId"},
}

func newDevicesCommand() *cobra.Command {
	cmd := group("devices", "Create, list, show, diagnose, move and delete devices")
	cmd.AddCommand(newDevicesCreateCommand(), newDevicesListCommand(), newDevicesGetCommand(), newDevicesDeleteCommand(),
		newDevicesExportCommand(), newDevicesImportCommand(), newDiagnoseCommand(), newRecordCommand())
	return cmd
}

func newDevicesCreateCommand() *cobra.Command {
	var (
		server                               serverFlags
		out                                  output
		serial, template, organization, name string
		certificate                          string
		credential                           bool
	)
	cmd := &cobra.Command{
		Use:   "create --serial NUMBER",
		Short: "Create a device",
		Example: `  xively devices create --serial AP-000001 --template Sensor --credential
  xively devices create --serial AP-000002 -o json
  xively devices create --serial AP-000003 --template Sealed --certificate cert.pem`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			templateID, err := deviceTemplates.find(cmd, c, template)
			if err != nil {
				return err
			}
			if credential && certificate != "" {
				return usageError("--credential makes a secret, --certificate takes its place: give one of them")
			}
			pem := ""
			if credential || certificate != "" {
				if pem, err = certificateFor(cmd, c, templateID, certificate); err != nil {
					return err // before there is a device
				}
			}
			body := object{"accountId": c.AccountID, "deviceTemplateId": templateID, "serialNumber": serial}
			if organization != "" {
				body["organizationId"] = organization
			}
			if name != "" {
				body["name"] = name
			}
			device, err := c.one(cmd.Context(), http.MethodPost, "/api/v1/devices", body, "device")
			if err != nil {
				return err
			}
			columns := deviceColumns
			if credential || pem != "" {
				made, err := issueCredential(cmd, c, cell(device["id"]), "device", pem)
				if err != nil {
					return fmt.Errorf("device %s was created, its credential was not: %w", cell(device["id"]), err)
				}
				if device, err = c.one(cmd.Context(), http.MethodGet, "/api/v1/devices/"+url.PathEscape(cell(device["id"])), nil, "device"); err != nil {
					return err
				}
				shown := column{"SECRET", "secret"}
				if pem != "" {
					shown = column{"CERTIFICATE SHA-256", "certificateSha256"}
				}
				device[shown.member] = made[shown.member]
				columns = append(columns[:len(columns):len(columns)], shown)
			}
			return out.one(cmd.OutOrStdout(), device, columns...)
		},
	}
	server.register(cmd)
	out.register(cmd)
	cmd.Flags().StringVar(&serial, "serial", "", "serial `number`, unique in the account")
	cmd.Flags().StringVar(&template, "template", deviceTemplates.standard, "device template, by `name or id`")
	cmd.Flags().StringVar(&organization, "organization", "", "`id` of the organization (group) that owns it")
	cmd.Flags().StringVar(&name, "name", "", "`name` for people")
	cmd.Flags().BoolVar(&credential, "credential", false, "also make its MQTT credential and print the secret, once")
	cmd.Flags().StringVar(&certificate, "certificate", "", "also register the certificate in this PEM `file`, for a template that has its devices sign in so")
	required(cmd, "serial")
	return cmd
}

// certificateFor reads the certificate of a device that is to be made, and says whether its template wants what was asked for.
func certificateFor(cmd *cobra.Command, c *client, template, path string) (string, error) {
	t, err := c.one(cmd.Context(), http.MethodGet, "/api/v1/devices/templates/"+url.PathEscape(template), nil, "deviceTemplate")
	if err != nil {
		return "", err
	}
	sealed := t["authenticationMethod"] == "certificate"
	switch {
	case sealed && path == "":
		return "", usageError("devices of the template %s sign in with a certificate: use --certificate FILE in place of --credential", printable(cell(t["name"])))
	case !sealed && path != "":
		return "", usageError("devices of the template %s sign in with a secret: use --credential in place of --certificate", printable(cell(t["name"])))
	case path == "":
		return "", nil
	}
	text, err := os.ReadFile(path)
	return string(text), err
}

func newDevicesListCommand() *cobra.Command {
	var (
		server                         serverFlags
		out                            output
		serial, template, organization string
		text                           string
		page, size                     int
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List devices, a page at a time",
		Args:  exactArgs(0),
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
			rows, total, err := c.list(cmd.Context(), "/api/v1/devices"+query("accountId", c.AccountID, "q", text,
				"serialNumber", serial, "deviceTemplateId", templateID, "organizationId", organization,
				"page", strconv.Itoa(page), "pageSize", strconv.Itoa(size)), "devices")
			if err != nil {
				return err
			}
			if page*size < total {
				defer fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d; next: --page %d\n", len(rows), total, page+1)
			}
			return out.list(cmd.OutOrStdout(), rows, deviceColumns...)
		},
	}
	server.register(cmd)
	out.register(cmd)
	cmd.Flags().StringVarP(&text, "query", "q", "", "only those that match, such as `'kitch* connected:true'`")
	cmd.Flags().StringVar(&serial, "serial", "", "only serial numbers that contain this `text`")
	cmd.Flags().StringVar(&template, "template", "", "only devices of this template, by `name or id`")
	cmd.Flags().StringVar(&organization, "organization", "", "only devices of the organization with this `id`")
	cmd.Flags().IntVar(&page, "page", 1, "page `number`, from 1")
	cmd.Flags().IntVar(&size, "page-size", 100, "devices per page, 1 to 1000")
	return cmd
}

func newDevicesGetCommand() *cobra.Command {
	var (
		server serverFlags
		out    output
	)
	cmd := &cobra.Command{
		Use:   "get ID",
		Short: "Show a device and the topics of its channels",
		Args:  exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			device, err := c.one(cmd.Context(), http.MethodGet, "/api/v1/devices/"+url.PathEscape(args[0]), nil, "device")
			if err != nil {
				return err
			}
			if err := out.one(cmd.OutOrStdout(), device, append(deviceColumns[:len(deviceColumns):len(deviceColumns)],
				column{"CREATED", "created"}, column{"LAST CONNECTED", "lastConnected"}, column{"VERSION", "version"})...); err != nil {
				return err
			}
			if out.format != "table" {
				return nil
			}
			fmt.Fprintln(cmd.OutOrStdout())
			return out.list(cmd.OutOrStdout(), objects(device["channels"]),
				column{"CHANNEL", "channelTemplateName"}, column{"KEPT AS", "persistenceType"}, column{"TOPIC", "channel"})
		},
	}
	server.register(cmd)
	out.register(cmd)
	return cmd
}

func newDevicesDeleteCommand() *cobra.Command {
	var server serverFlags
	cmd := &cobra.Command{
		Use:   "delete ID…",
		Short: "Delete devices",
		Args:  atLeastArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			for _, id := range args {
				if err := c.call(cmd.Context(), http.MethodDelete, "/api/v1/devices/"+url.PathEscape(id), nil, nil); err != nil {
					return fmt.Errorf("device %s: %w", id, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "Deleted device %s\n", id)
			}
			return nil
		},
	}
	server.register(cmd)
	return cmd
}

func newTemplatesCommand() *cobra.Command {
	cmd := group("templates", "Create and list device templates and their channels")
	cmd.AddCommand(newTemplatesCreateCommand(), newTemplatesListCommand())
	return cmd
}

func newTemplatesCreateCommand() *cobra.Command {
	var (
		server   serverFlags
		out      output
		channels []string
		method   string
	)
	cmd := &cobra.Command{
		Use:   "create NAME [--channel NAME:timeSeries]…",
		Short: "Create a device template with its channels",
		Example: `  xively templates create Sensor --channel temp:timeSeries --channel control
  (a channel without :timeSeries is simple: its messages are delivered and not stored)`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			template, err := c.one(cmd.Context(), http.MethodPost, "/api/v1/devices/templates",
				object{"accountId": c.AccountID, "name": args[0], "authenticationMethod": method}, "deviceTemplate")
			if err != nil {
				return err
			}
			for _, ch := range channels {
				name, kept := ch, "simple"
				if n, ok := strings.CutSuffix(ch, ":timeSeries"); ok {
					name, kept = n, "timeSeries"
				} else if n, ok := strings.CutSuffix(ch, ":simple"); ok {
					name = n
				}
				if err := c.call(cmd.Context(), http.MethodPost, "/api/v1/channels/templates", object{
					"accountId": c.AccountID, "entityId": template["id"], "entityType": "deviceTemplate",
					"name": name, "persistenceType": kept}, nil); err != nil {
					return fmt.Errorf("template %s was created, its channel %q was not: %w", cell(template["id"]), name, err)
				}
			}
			return out.one(cmd.OutOrStdout(), template, column{"ID", "id"}, column{"NAME", "name"})
		},
	}
	server.register(cmd)
	out.register(cmd)
	cmd.Flags().StringArrayVar(&channels, "channel", nil, "a `NAME[:timeSeries]` to add; repeat for more")
	cmd.Flags().StringVar(&method, "authentication", "password", "how its devices sign in: password or certificate; cannot be changed later")
	return cmd
}

func newTemplatesListCommand() *cobra.Command {
	var (
		server serverFlags
		out    output
		of     string
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List templates",
		Args:  exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			kind, ok := map[string]templates{"devices": deviceTemplates, "organizations": organizationTemplates, "end-users": endUserTemplates}[of]
			if !ok {
				return usageError("--of %s: want devices, organizations or end-users", of)
			}
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			rows, err := kind.list(cmd, c)
			if err != nil {
				return err
			}
			columns := []column{{"ID", "id"}, {"NAME", "name"}, {"CREATED", "created"}}
			if of == "devices" {
				columns = append(columns, column{"AUTHENTICATION", "authenticationMethod"})
			}
			return out.list(cmd.OutOrStdout(), rows, columns...)
		},
	}
	server.register(cmd)
	out.register(cmd)
	cmd.Flags().StringVar(&of, "of", "devices", "templates of what: `devices`, organizations or end-users")
	return cmd
}

func newCredentialsCommand() *cobra.Command {
	cmd := group("credentials", "Make MQTT credentials")
	var (
		server serverFlags
		out    output
		kind   string

		certificate string
	)
	create := &cobra.Command{
		Use:   "create ID",
		Short: "Make a new MQTT secret for a device (or another entity) and print it, once",
		Long: `Make a new MQTT secret. An earlier secret of the same entity stops working. Connect with the entity's id as user
name and the secret as password. With --certificate the device's certificate is registered instead, and an earlier one stops
working: connect over TLS with it, the id as client id and no user name.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			if certificate != "" {
				return registerCertificate(cmd, c, out, args[0], certificate)
			}
			made, err := issueCredential(cmd, c, args[0], kind, "")
			if err != nil {
				return err
			}
			return out.one(cmd.OutOrStdout(), made, column{"USER NAME", "entityId"}, column{"SECRET", "secret"})
		},
	}
	server.register(create)
	out.register(create)
	create.Flags().StringVar(&kind, "type", "device", "what the id is: device, endUser or accountUser")
	create.Flags().StringVar(&certificate, "certificate", "", "PEM file with the certificate of a device whose template wants one, in place of a secret")
	cmd.AddCommand(create)
	return cmd
}

func registerCertificate(cmd *cobra.Command, c *client, out output, id, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	made, err := issueCredential(cmd, c, id, "device", string(text))
	if err != nil {
		return err
	}
	return out.one(cmd.OutOrStdout(), made, column{"CLIENT ID", "entityId"}, column{"CERTIFICATE SHA-256", "certificateSha256"},
		column{"VALID UNTIL", "certificateNotAfter"})
}

// issueCredential makes a secret, or registers a device's certificate where there is one.
func issueCredential(cmd *cobra.Command, c *client, id, kind, certificate string) (object, error) {
	body := object{"accountId": c.AccountID, "entityId": id, "entityType": kind}
	if certificate != "" {
		body["certificate"] = certificate
	}
	return c.one(cmd.Context(), http.MethodPost, "/api/v1/access/mqtt-credentials", body, "mqttCredential")
}

// templates is where the templates of a noun are.
type templates struct{ of, path, many, noun, standard string }

var (
	deviceTemplates       = templates{"devices", "devices/templates", "deviceTemplates", "device template", "Default Device Template"}
	organizationTemplates = templates{"organizations", "organizations/templates", "organizationTemplates", "organization template", "Default Organization Template"}
	endUserTemplates      = templates{"end-users", "end-users/templates", "endUserTemplates", "end user template", "Default End User Template"}
)

// list returns up to 1000 templates, which is all a list answers at once.
func (k templates) list(cmd *cobra.Command, c *client) ([]object, error) {
	rows, _, err := c.list(cmd.Context(), "/api/v1/"+k.path+query("accountId", c.AccountID, "pageSize", "1000"), k.many)
	return rows, err
}

// find returns the id of the template with that id or name.
func (k templates) find(cmd *cobra.Command, c *client, nameOrID string) (string, error) {
	rows, err := k.list(cmd, c)
	if err != nil {
		return "", err
	}
	found := ""
	for _, row := range rows {
		switch id := cell(row["id"]); {
		case id == nameOrID:
			return id, nil
		case cell(row["name"]) != nameOrID:
		case found != "":
			return "", usageError("several %ss are called %q: give the id", k.noun, nameOrID)
		default:
			found = id
		}
	}
	if found == "" {
		return "", &apiError{http.StatusNotFound, fmt.Sprintf("no %s %q: see `xively templates list --of %s`", k.noun, nameOrID, k.of)}
	}
	return found, nil
}

// objects returns the JSON objects of a JSON array.
func objects(v any) []object {
	var list []object
	items, _ := v.([]any)
	for _, item := range items {
		if o, ok := item.(object); ok {
			list = append(list, o)
		}
	}
	return list
}
