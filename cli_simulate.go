package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"xively/internal/dial"
	"xively/internal/simulate"
)

func newSimulateCommand() *cobra.Command {
	var (
		server           serverFlags
		broker, backfill string
		rate             float64
		o                simulate.Options
	)
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Fill an account with believable devices, their past, and their troubles",
		Long: `Make device templates, a tree of organizations, devices with credentials and end users in the account you are signed in
to; send points and log entries of days gone by; then connect every device over MQTT and let it report until Ctrl-C. Some
have troubles: lost connections, wrong secrets, messages that cannot be read, topics that are not theirs, updates.

The same --seed gives the same devices, measurements and troubles. A further run goes on where the last one ended; devices
that were there get new secrets. Meant for trials: use an account that holds nothing else.`,
		Example: `  xively simulate                                   # 100 devices, until Ctrl-C
  xively simulate --backfill 30d --once             # full charts and logs, then end
  xively simulate --devices 10000 --backfill 30d --log-entries 1000000 --interval 30s --for 10m`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := server.signedIn()
			if err != nil {
				return err
			}
			if o.Backfill, err = days(backfill); err != nil {
				return usageError("--backfill: %w", err)
			}
			switch {
			case o.Interval < 100*time.Millisecond:
				return usageError("--interval: %v is below 100ms", o.Interval)
			case rate < 0 || o.Faults < 0:
				return usageError("--rate and --faults: a negative number means nothing")
			case rate > 0:
				o.Interval = time.Duration(float64(o.Devices) * simulate.MessagesPerReport / rate * float64(time.Second))
			}
			trust, err := c.tlsConfig()
			if err != nil {
				return err
			}
			trust.ClientSessionCache = tls.NewLRUClientSessionCache(64)
			if o.Dial, err = dial.URL(first(broker, brokerOf(c.Server)), trust, simulate.ReadBuffer); err != nil {
				return usageError("--broker: %w", err)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			o.Account, o.Say = c.AccountID, func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }
			done, err := simulate.Run(ctx, simulator{*c}, o)
			if err != nil || o.Once {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d connections, %d messages published, %d of them acknowledged, %d faults on purpose, %d connects refused, %d connections lost\n",
				done.Connects, done.Published, done.Acknowledged, done.Faults, done.Refused, done.Lost)
			return nil
		},
	}
	server.register(cmd)
	f := cmd.Flags()
	f.IntVar(&o.Devices, "devices", 100, "how many, 1 to "+strconv.Itoa(simulate.MaxDevices))
	f.Int64Var(&o.Seed, "seed", 1, "`number` that decides everything that looks like chance")
	f.StringVar(&backfill, "backfill", "0", "how much of the past to send, such as `30d` or 12h; a further run with it sends it again")
	f.IntVar(&o.Entries, "log-entries", -1, "log entries of the past (default: ten a device and day, at most a million)")
	f.BoolVar(&o.Once, "once", false, "make devices and send the past, then end")
	f.DurationVar(&o.For, "for", 0, "how long devices report (default: until Ctrl-C)")
	f.DurationVar(&o.Interval, "interval", 10*time.Second, "between two reports of a device")
	f.Float64Var(&rate, "rate", 0, "messages per second of all devices together, in place of --interval")
	f.Float64Var(&o.Faults, "faults", 1, "how much goes wrong: 0 is nothing, 1 is usual")
	f.StringVar(&broker, "broker", "", "MQTT `URL`: mqtt, mqtts, ws or wss (default: the server's own address)")
	return cmd
}

// simulator lends the package the signed-in client: a copy to each call, as calls run side by side and may renew the token.
type simulator struct{ c client }

func (s simulator) Call(ctx context.Context, method, path string, body, out any) error {
	return s.c.call(ctx, method, path, body, out)
}

func (s simulator) Upload(ctx context.Context, path, kind string, body []byte, out any) error {
	return s.c.upload(ctx, path, kind, bytes.NewReader(body), out)
}

// brokerOf is where the server takes MQTT: on its TLS port, or over WebSocket on the one without.
func brokerOf(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return "" // signedIn has seen that it is one
	}
	if u.Scheme == "http" {
		return "ws://" + u.Host + webSocketPath
	}
	if u.Port() == "" {
		u.Host += ":443"
	}
	return "mqtts://" + u.Host
}

// days reads a duration that may be in days.
func days(text string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(text, "d"); ok {
		d, err := strconv.ParseFloat(n, 64)
		if err != nil || !(d >= 0 && d <= 3650) {
			return 0, fmt.Errorf("%q is not a number of days from 0 to 3650", text)
		}
		return time.Duration(d * 24 * float64(time.Hour)), nil
	}
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = fmt.Errorf("%q lies ahead", text)
	}
	return d, err
}
