package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
)

// passwordFlags say where a password comes from; never from the command line, which other users of the machine see.
type passwordFlags struct{ stdin bool }

func (f *passwordFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.stdin, "password-stdin", false, "read the password from standard input, one line")
}

// read returns the password from stdin (with --password-stdin), from XIVELY_PASSWORD, or typed at a prompt.
func (f *passwordFlags) read(cmd *cobra.Command) (string, error) {
	if f.stdin {
		return readLine(cmd.InOrStdin())
	}
	if p := os.Getenv("XIVELY_PASSWORD"); p != "" {
		return p, nil
	}
	terminal, ok := cmd.InOrStdin().(*os.File)
	if info, err := os.Stdin.Stat(); !ok || err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return "", usageError("no password: give it with --password-stdin or in XIVELY_PASSWORD")
	}
	fmt.Fprint(cmd.ErrOrStderr(), "Password: ")
	if stty(terminal, "-echo") == nil { // where there is no stty the password is typed in the open
		defer func() { _ = stty(terminal, "echo"); fmt.Fprintln(cmd.ErrOrStderr()) }()
	}
	return readLine(terminal)
}

func stty(terminal *os.File, mode string) error {
	c := exec.Command("stty", mode)
	c.Stdin = terminal
	return c.Run()
}

func readLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 64<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", usageError("the password is empty")
	}
	return line, nil
}

func newLoginCommand() *cobra.Command {
	var (
		server   serverFlags
		password passwordFlags
		account  string
		code     string
	)
	cmd := &cobra.Command{
		Use:   "login EMAIL",
		Short: "Sign in, for the commands that talk to a server",
		Long: `Sign in to a server and remember it: the other commands use the same server and session until it ends.
The token is kept in your configuration folder with mode 0600; the password is not kept.`,
		Example: `  xively login ann@example.com
  xively login ann@example.com --server https://iot.example.com:8443 --ca ca.pem --password-stdin < password`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := server.client()
			if err != nil {
				return err
			}
			secret, err := password.read(cmd)
			if err != nil {
				return err
			}
			return signIn(cmd, c, args[0], secret, account, code)
		},
	}
	server.register(cmd)
	password.register(cmd)
	cmd.Flags().StringVar(&account, "account", "", "account `id`, when the address belongs to several accounts")
	cmd.Flags().StringVar(&code, "code", "", "one-time or recovery `code`, for a user with a second factor")
	return cmd
}

func signIn(cmd *cobra.Command, c *client, email, password, account, code string) error {
	c.Token = "" // an old session has no say in a new one
	body := object{"emailAddress": email, "password": password}
	if account != "" {
		body["accountId"] = account
	}
	if code != "" {
		body["oneTimeCode"] = code
	}
	var answer struct{ JWT string }
	if err := c.call(cmd.Context(), http.MethodPost, "/api/v1/auth/login-user", body, &answer); err != nil {
		return err
	}
	claims, err := tokenClaims(answer.JWT)
	if err != nil {
		return err
	}
	c.Token, c.Email, c.AccountID = answer.JWT, email, claims.AccountID
	if err := c.save(); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Signed in to %s as %s, account %s\n", c.Server, email, c.AccountID)
	return nil
}
