package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"xively/blueprint"
	"xively/storage"
)

// configFlags say how the settings are found: for every command that opens a data folder.
type configFlags struct {
	file string
	data string
	set  []string
}

func (f *configFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "config", os.Getenv("XIVELY_CONFIG"), "YAML `file` with settings (or XIVELY_CONFIG)")
	cmd.Flags().StringVar(&f.data, "data", "", "data `folder` (the setting data)")
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "any `key=value` of config.example.yaml; repeat for more")
}

// load returns the settings, checked, and the process's log.
func (f *configFlags) load(errOut io.Writer) (Config, *slog.Logger, error) {
	flags := f.set
	if f.data != "" {
		flags = append(flags[:len(flags):len(flags)], "data="+f.data)
	}
	cfg, unused, err := loadConfig(f.file, os.Environ(), flags)
	if err == nil {
		err = cfg.Validate()
	}
	if err != nil {
		return cfg, nil, usageError("%w", err)
	}
	log := newLog(cfg.Log, errOut)
	if len(unused) > 0 {
		log.Warn("environment variables that are no settings are ignored", "names", strings.Join(unused, " "))
	}
	return cfg, log, nil
}

func newLog(cfg LogConfig, w io.Writer) *slog.Logger {
	level, _ := cfg.level() // Validate saw to it
	options := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func newServeCommand() *cobra.Command {
	var flags configFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server; Ctrl-C stops it",
		Long: `Run everything on one data folder. The first signal (Ctrl-C, SIGTERM) stops in order, a second one at once;
SIGHUP looks at the certificate files.`,
		Example: `  xively serve
  xively serve --data /var/lib/xively --set tls.names=iot.example.com
  xively serve --config /etc/xively.yaml`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			began := time.Now()
			cfg, log, err := flags.load(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			ctx, stop := stopSignals(cmd.Context(), log)
			defer stop()
			return serve(ctx, cfg, log, cmd.OutOrStdout(), began)
		},
	}
	flags.register(cmd)
	return cmd
}

// A signal that comes again so soon is the same one: supervisors and shells send it to a process and to its group.
const echoOfSignal = 250 * time.Millisecond

// stopSignals returns a context that the first SIGINT or SIGTERM ends. The second one ends the process.
func stopSignals(parent context.Context, log *slog.Logger) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() { // ends with the returned function
		var first time.Time
		for {
			select {
			case <-done:
				return
			case s := <-signals:
				switch {
				case first.IsZero():
					first = time.Now()
					cancel()
				case time.Since(first) > echoOfSignal:
					log.Error("stopped at once", "signal", s.String())
					os.Exit(exitFailed)
				}
			}
		}
	}()
	return ctx, func() { signal.Stop(signals); close(done); cancel() }
}

func serve(ctx context.Context, cfg Config, log *slog.Logger, out io.Writer, began time.Time) error {
	if os.Geteuid() == 0 {
		log.Warn("running as root: a user of its own is safer, and ports above 1023 need no more")
	}
	if cfg.Listen.MQTT != "" {
		log.Warn("listen.mqtt is on: passwords and data of its clients can be read on the network", "address", cfg.Listen.MQTT)
	}
	cfg = withinMemory(cfg, memoryLimit(), log)
	for {
		p, err := openPlatform(cfg, log)
		if err != nil {
			return err
		}
		p.welcome(out, time.Since(began))
		err = p.serve(ctx)
		switch {
		case !errors.Is(err, errStartAgain):
			return err
		case err != errStartAgain:
			log.Warn("what the restore replaces was not closed in order", "err", err)
		}
		if ctx.Err() != nil {
			return nil // the next start has the restored store
		}
		began = time.Now()
	}
}

// serve is run that also hears SIGHUP.
func (p *platform) serve(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	reloads, endReloads := context.WithCancel(ctx)
	defer endReloads()
	go func() { // ends with serve
		for {
			select {
			case <-reloads.Done():
				return
			case <-hangup:
				p.certs.refresh(true)
			}
		}
	}()
	return p.run(ctx)
}

// welcome tells a person where everything is and what to do next.
func (p *platform) welcome(out io.Writer, took time.Duration) {
	host := p.publicHost()
	at := func(scheme string, ln net.Listener, path string) string {
		return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(port(ln))) + path
	}
	l := p.listeners
	console := "" // where the hints below point to
	fmt.Fprintf(out, "\nxively %s, ready in %d ms, data in %s\n\n", version(), took.Milliseconds(), p.cfg.Data)
	t := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	if l.tls != nil {
		console = at("https", l.tls, "")
		fmt.Fprintf(t, "  Console, REST\t%s\n", console)
		fmt.Fprintf(t, "  MQTT\t%s\n", at("mqtts", l.tls, ""))
		fmt.Fprintf(t, "  MQTT over WebSocket\t%s\n", at("wss", l.tls, webSocketPath))
	}
	if l.mqtts != nil {
		fmt.Fprintf(t, "  MQTT\t%s\n", at("mqtts", l.mqtts, ""))
	}
	if l.mqtt != nil {
		fmt.Fprintf(t, "  MQTT, clear text\t%s\n", at("mqtt", l.mqtt, ""))
	}
	if l.local != nil {
		console = "http://" + l.local.Addr().String()
		fmt.Fprintf(t, "  On this machine\t%s   (console, REST and %s, clear text)\n", console, webSocketPath)
	}
	if path := p.certs.authority(); !p.certs.public() {
		fmt.Fprintf(t, "  Trust\t%s   (mosquitto_pub --cafile, curl --cacert; also at /ca.pem)\n", path)
	}
	t.Flush()
	if token, first := p.identity.SetupToken(); first && console != "" {
		fmt.Fprintf(out, "\nMake the first account; the link is good until you did or the server stops:\n\n  %s/setup#token=%s\n\n"+
			"Without a browser: stop, `xively init --data %s --email YOU@EXAMPLE.COM`, start again.\n", console, token, p.cfg.Data)
	} else {
		server := ""
		if console != defaultServer {
			server = " --server " + console
		}
		fmt.Fprintf(out, "\nNext: xively login YOU@EXAMPLE.COM%s; xively devices create --help\n", server)
	}
	fmt.Fprintln(out)
}

// publicHost is the name that is most likely to work from another machine.
func (p *platform) publicHost() string {
	if names := append(p.certs.cfg.ACME.Names, p.certs.cfg.Names...); len(names) > 0 {
		return names[0]
	}
	if host, err := os.Hostname(); err == nil && p.certs.ca != nil {
		return strings.ToLower(host)
	}
	if names := p.certs.names(); len(names) > 0 {
		return names[0]
	}
	return "localhost"
}

func newInitCommand() *cobra.Command {
	var (
		flags          configFlags
		password       passwordFlags
		email, account string
		asJSON, more   bool
	)
	cmd := &cobra.Command{
		Use:   "init --email ADDRESS",
		Short: "Make the first account and its administrator, without a browser",
		Long: `Make an account and its administrator in a data folder that no server is using. A folder that has an account
already is refused, unless --another says that one more is wanted: accounts share nothing but the server.`,
		Example: `  xively init --data ./data --email ann@example.com --password-stdin < password`,
		Args:    exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, log, err := flags.load(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			secret, err := password.read(cmd)
			if err != nil {
				return err
			}
			made, err := makeAccount(cmd.Context(), cfg, log, account, email, secret, more)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), made)
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintf(t, "accountId\t%s\nuserId\t%s\naccountUserId\t%s\n", made.AccountID, made.UserID, made.AccountUserID)
			return t.Flush()
		},
	}
	flags.register(cmd)
	password.register(cmd)
	cmd.Flags().StringVar(&email, "email", "", "the administrator's e-mail `address`")
	cmd.Flags().StringVar(&account, "account-name", "", "`name` of the account (default: the address's domain)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the ids as JSON")
	cmd.Flags().BoolVar(&more, "another", false, "make one more account where there is one")
	required(cmd, "email")
	return cmd
}

type madeAccount struct {
	AccountID     string `json:"accountId"`
	UserID        string `json:"userId"`
	AccountUserID string `json:"accountUserId"`
}

func makeAccount(ctx context.Context, cfg Config, log *slog.Logger, name, email, password string, another bool) (m madeAccount, err error) {
	d, err := openDirectory(cfg, quieter(log))
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, d.close(ctx)) }()
	if _, first := d.identity.SetupToken(); !first && !another {
		return m, &apiError{Status: 409, Message: cfg.Data + " has an account already: use --another to make one more"}
	}
	m.AccountID, m.UserID, m.AccountUserID, err = d.identity.CreateAccount(ctx, name, email, password)
	return m, err
}

// quieter keeps a command's own output readable: of the log only warnings remain.
func quieter(log *slog.Logger) *slog.Logger { return slog.New(warnings{log.Handler()}) }

type warnings struct{ slog.Handler }

func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}
func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}
func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }

func newCheckConfigCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check-config FILE",
		Short: "Say whether a configuration file is right, without starting",
		Long: `Read a configuration file as serve would, with the environment over it, check every setting and the certificate
files it names, and say what is wrong. Nothing is changed. Exit code 2 when it is wrong.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, _, err := (&configFlags{file: args[0]}).load(cmd.ErrOrStderr())
			if err == nil && cfg.TLS.Certificate != "" {
				_, err = openCertificates(cfg.TLS, "", slog.New(slog.DiscardHandler))
			}
			if err != nil {
				return usageError("%w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is good\n", args[0])
			return nil
		},
	}
}

func newVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify DIR",
		Short: "Read everything in a data folder and say whether it is whole",
		Long: `Read the store and the journal of a data folder that no server is using, and check their structure and every
checksum; then whether the directory's indexes and counts agree with its objects. Nothing is changed. Exit code 1 when something is damaged
or disagrees; what disagrees, xively rebuild mends.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			report, err := storage.Verify(args[0])
			printReport(cmd.OutOrStdout(), report)
			if err == nil {
				err = onDirectory(args[0], func(b *blueprint.Service) error { return verifyDirectory(cmd, b) })
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is whole\n", args[0])
			return nil
		},
	}
}

// newRebuildCommand makes anew what is derived from the directory's objects.
func newRebuildCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rebuild DIR",
		Short: "Make the directory's indexes and counts anew from its objects",
		Long: `Make the indexes and counts of the directory anew, in a data folder that no server is using: for a folder of which
xively verify says that they disagree. Objects are read and not changed. The search index needs no mending on disk: a server makes it at each start.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := storage.Verify(args[0]); err != nil {
				return err // an index over damaged objects would hide the damage
			}
			err := onDirectory(args[0], func(b *blueprint.Service) error {
				if err := b.Rebuild(); err != nil {
					return err
				}
				return verifyDirectory(cmd, b)
			})
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "the indexes of %s agree with its objects\n", args[0])
			}
			return err
		},
	}
}

// onDirectory runs do on the directory in a data folder. Nothing else of the platform is opened, and no journal is taken in.
func onDirectory(dir string, do func(*blueprint.Service) error) error {
	quiet := slog.New(slog.DiscardHandler)
	db, err := storage.Open(storage.Config{Dir: dir}, quiet)
	if err != nil {
		return err
	}
	b := blueprint.New(blueprint.DefaultConfig(), db, quiet)
	err = do(b)
	return errors.Join(err, b.Close(), db.Close())
}

func verifyDirectory(cmd *cobra.Command, b *blueprint.Service) error {
	problems, err := b.Verify()
	if err != nil || len(problems) == 0 {
		return err
	}
	const most = 20
	for _, p := range problems[:min(len(problems), most)] {
		fmt.Fprintln(cmd.OutOrStdout(), p)
	}
	return fmt.Errorf("%d entries of the directory's indexes and counts disagree with its objects: see xively rebuild", len(problems))
}

func printReport(out io.Writer, r storage.Report) {
	if r.Schema == 0 {
		return // not even a store
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "schema\t%d\nstore\t%d pages, %d of them free\n", r.Schema, r.Pages, r.FreePages)
	fmt.Fprintf(t, "journal\t%d files, %d batches, %d records, last number %d\n", r.Segments, r.Batches, r.Records, r.LastLSN)
	if r.TornOffset > 0 {
		fmt.Fprintf(t, "\tthe last entry was torn by a crash; nothing acknowledged is in it\n")
	}
	if r.HeaderLost {
		fmt.Fprintf(t, "\tone of two header pages is damaged: the newest transaction may be missing\n")
	}
	for _, b := range r.Buckets {
		fmt.Fprintf(t, "%s\t%d entries, %d bytes\n", b.Name, b.Keys, b.Bytes)
	}
	t.Flush()
}
