// Command xively is a complete connected-product platform in one binary: an MQTT broker, the directory of devices and
// people, sign-in, device logs, time series and the management console, over one data folder.
//
// The root package is the wiring and nothing else: config.go says what can be set, platform.go opens the parts and
// introduces them to each other, http.go mounts their routes, tls.go keeps the certificate, the cli_ files are the
// commands. Each part is a package of its own and knows no other.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"xively/internal/fault"
	"xively/internal/openapi"
)

// Exit codes. Scripts may rely on them.
const (
	exitOK       = 0
	exitFailed   = 1 // it did not work; the message says why
	exitUsage    = 2 // wrong command line or configuration
	exitRefused  = 3 // not signed in, or not allowed
	exitNotFound = 4 // the object does not exist
	exitConflict = 5 // it exists already, or somebody else changed it first
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program without the process: what main and the tests start.
func run(args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(context.Background())
	if err != nil {
		fmt.Fprintln(errOut, "xively:", printable(strings.ReplaceAll(err.Error(), "\n", "; ")))
	}
	return exitCode(err)
}

func exitCode(err error) int {
	var usage *usageErr
	var answer *apiError
	var refused *fault.Error // by a command on a data folder
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &answer):
		switch answer.Status {
		case http.StatusUnauthorized, http.StatusForbidden:
			return exitRefused
		case http.StatusNotFound:
			return exitNotFound
		case http.StatusConflict, http.StatusPreconditionFailed:
			return exitConflict
		}
	case errors.As(err, &refused) && refused.Kind == fault.NotFound:
		return exitNotFound
	case errors.As(err, &refused) && refused.Kind == fault.Conflict:
		return exitConflict
	}
	return exitFailed
}

// A usageErr is a mistake in the command line or the configuration: exit code 2.
type usageErr struct{ error }

func (e *usageErr) Unwrap() error { return e.error }

func usageError(format string, args ...any) error {
	return &usageErr{fmt.Errorf(format, args...)}
}

func newRootCommand() *cobra.Command {
	root := group("xively", "A complete connected-product platform in one binary")
	root.Long = `xively runs an MQTT broker, a device directory, sign-in, device logs, time series and a management console
from one binary and one data folder.

Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 3 not signed in or not allowed, 4 not found,
5 exists already or was changed meanwhile.`
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError("%w: see `%s --help`", err, cmd.CommandPath())
	})
	root.AddCommand(
		newServeCommand(), newInitCommand(), newCheckConfigCommand(), newVerifyCommand(), newBackupCommand(), newRestoreCommand(),
		newOverviewCommand(), newLimitsCommand(), newServerCommand(), newRebuildCommand(),
		newAccountsCommand(), newAccountCommand(), newLoginCommand(), newSessionsCommand(), newAPIKeysCommand(), newApplicationsCommand(), newUsersCommand(),
		newDevicesCommand(), newTemplatesCommand(), newCredentialsCommand(), newOrganizationsCommand(), newEndUsersCommand(),
		newAccessCommand(), newAuditCommand(), newExportCommand(), newImportCommand(),
		newDataCommand(), newLogsCommand(), newClientsCommand(), newPubCommand(), newSubCommand(), newBenchCommand(), newSimulateCommand(), newOpenAPICommand(), newVersionCommand(),
	)
	return root
}

// group returns a command that only holds others.
func group(use, short string) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ArbitraryArgs, // an unknown command is told by RunE, as a usage error
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("unknown command %q: see `%s --help`", args[0], cmd.CommandPath())
			}
			return cmd.Help()
		},
	}
}

func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError("want `%s`: see `%s --help`", cmd.UseLine(), cmd.CommandPath())
		}
		return nil
	}
}

func atLeastArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return exactArgs(n)(cmd, args)
		}
		return nil
	}
}

func atMostArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return exactArgs(n)(cmd, args)
		}
		return nil
	}
}

// required makes cmd refuse to run without the flags.
func required(cmd *cobra.Command, flags ...string) {
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		for _, name := range flags {
			if f := cmd.Flags().Lookup(name); f.Value.String() == "" {
				return usageError("--%s is needed: see `%s --help`", name, cmd.CommandPath())
			}
		}
		return nil
	}
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintln(cmd.OutOrStdout(), "xively", version())
			return nil
		},
	}
}

// newOpenAPICommand prints what /api/openapi.json serves, without a server: client generators want a file.
func newOpenAPICommand() *cobra.Command {
	return &cobra.Command{
		Use:   "openapi",
		Short: "Print the OpenAPI document of the REST API",
		Args:  exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := openapi.Document()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
}

// version is the module version a release is built with, or the commit of a build from a work tree.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := strings.TrimSuffix(info.Main.Version, "+dirty")
	if v == "" || v == "(devel)" {
		v = "development"
	}
	return v + " " + info.GoVersion
}
