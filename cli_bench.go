package main

import (
	"crypto/tls"
	"encoding/csv"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"xively/internal/bench"
	"xively/internal/dial"
)

// benchOptions are the flags of `xively bench`.
type benchOptions struct {
	output
	broker   string
	ca       string
	insecure bool
	username string
	password string
	pid      int
	load     bench.Options
	qos      int
	fleet    string
	topic    string
}

func newBenchCommand() *cobra.Command {
	o := benchOptions{}
	cmd := &cobra.Command{
		Use:   "bench [SCENARIO…]",
		Short: "Load an MQTT broker and measure it",
		Long: "Load any MQTT 3.1.1 broker and measure messages per second, latency and, given the broker's process id, the processor time\n" +
			"and memory it took. Every scenario is a closed loop: a message that does not arrive is an error.\n\n" +
			"Scenarios: " + strings.Join(bench.Scenarios(), ", ") + ". Without a name: fan-out, fan-in and pairs.\n\n" +
			"The broker must let the clients use topics below bench-…/ : free topics of an account user, or broker.anonymous. Scenario ingest\n" +
			"sends points as devices with their own credentials (--fleet), each message acknowledged before the device's next one.",
		Example: "  xively bench --broker mqtt://127.0.0.1:1883 --pid $(pidof mosquitto)\n" +
			"  xively bench pairs latency -q 1 --persistent --broker mqtts://127.0.0.1:8883 --ca data/tls/ca.pem -u ID --password-file secret\n" +
			"  xively bench ingest --fleet secrets.csv --topic 'xi/blue/v1/ACCOUNT/d/{device}/temp' --rate 10000 --duration 10m",
		ValidArgs: bench.Scenarios(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"fan-out", "fan-in", "pairs"}
			}
			return o.run(cmd, args)
		},
	}
	f := cmd.Flags()
	o.output.register(cmd)
	f.StringVar(&o.broker, "broker", "mqtt://127.0.0.1:1883", "MQTT `URL`: mqtt, mqtts, ws or wss")
	f.StringVar(&o.ca, "ca", "", "PEM `file` with an authority to trust")
	f.BoolVar(&o.insecure, "insecure", false, "do not verify the broker's certificate")
	f.StringVarP(&o.username, "username", "u", "", "user name (default: no credentials)")
	f.StringVar(&o.password, "password-file", "", "`file` with the user name's secret")
	f.IntVar(&o.pid, "pid", 0, "the broker's process id on this machine: measure its processor time and memory")
	f.IntVarP(&o.qos, "qos", "q", 0, "QoS 0, 1 or 2")
	f.IntVar(&o.load.Clients, "clients", 0, "subscribers of fan-out, publishers of fan-in, pairs, connections (default: the scenario's)")
	f.IntVar(&o.load.Payload, "payload", 0, "payload `bytes` (default 64)")
	f.IntVar(&o.load.Window, "window", 0, "messages that a publisher sends before it waits; connections that scenario connect makes at once (default 16)")
	f.IntVar(&o.load.Rate, "rate", 0, "messages per second of scenarios latency and ingest (default 1000)")
	f.StringVar(&o.fleet, "fleet", "", "`file` that `devices import --credentials` wrote: the devices of scenario ingest")
	f.StringVar(&o.topic, "topic", "", "`topic` they publish to, {device} in place of the id")
	f.DurationVar(&o.load.Duration, "duration", 5*time.Second, "how long each scenario runs; idle: how long it waits before it looks")
	f.BoolVar(&o.load.Persistent, "persistent", false, "subscribers with persistent sessions")
	return cmd
}

func (o *benchOptions) run(cmd *cobra.Command, scenarios []string) error {
	if o.qos < 0 || o.qos > 2 {
		return usageError("--qos: %d is not 0, 1 or 2", o.qos)
	}
	o.load.QoS = byte(o.qos)
	for _, name := range scenarios {
		if !slices.Contains(bench.Scenarios(), name) {
			return usageError("there is no scenario %q: there are %s", name, strings.Join(bench.Scenarios(), ", "))
		}
	}
	target, err := o.target()
	if err != nil {
		return err
	}
	if o.fleet != "" {
		if o.load.Fleet, err = readFleet(o.fleet, o.topic); err != nil {
			return err
		}
		o.load.Progress = func(s bench.Sample) {
			fmt.Fprintf(cmd.ErrOrStderr(), "%v: %d messages, processor %v, %d MiB, p50 %v, p99 %v\n", s.After.Round(time.Second), s.Acked,
				s.CPU.Round(10*time.Millisecond), s.Resident>>20, s.P50, s.P99)
		}
	}
	var rows []object
	for _, s := range scenarios {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s …\n", s)
		res, err := bench.Run(cmd.Context(), s, target, o.load)
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		rows = append(rows, benchRow(res))
	}
	return o.list(cmd.OutOrStdout(), rows, column{"SCENARIO", "scenario"}, column{"QOS", "qos"}, column{"COUNT", "count"}, column{"PER SECOND", "perSecond"},
		column{"CPU µs EACH", "cpuMicroseconds"}, column{"MEMORY KiB", "residentKiB"}, column{"KiB/CLIENT", "kibPerClient"}, column{"P50", "p50"}, column{"P99", "p99"}, column{"MAX", "max"})
}

// readFleet reads the columns deviceId and secret of a CSV file.
func readFleet(path, topic string) (fleet []bench.Device, err error) {
	if !strings.Contains(topic, "{device}") {
		return nil, usageError("--topic: want the topic that each device publishes to, with {device} in place of its id")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(rows) == 0 {
		return nil, usageError("%s is empty", path)
	}
	id, secret := slices.Index(rows[0], "deviceId"), slices.Index(rows[0], "secret")
	if id < 0 || secret < 0 {
		return nil, usageError("%s has no columns deviceId and secret", path)
	}
	for _, row := range rows[1:] {
		fleet = append(fleet, bench.Device{User: row[id], Password: row[secret], Topic: strings.ReplaceAll(topic, "{device}", row[id])})
	}
	return fleet, nil
}

// target works out how to reach the broker.
func (o *benchOptions) target() (bench.Target, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.insecure}
	if o.ca != "" {
		var err error
		if trust.RootCAs, err = trustPool(o.ca); err != nil {
			return bench.Target{}, err
		}
	}
	open, err := dial.URL(o.broker, trust, bench.ReadBuffer)
	if err != nil {
		return bench.Target{}, usageError("--broker: %v", err)
	}
	t := bench.Target{Dial: open, User: o.username, PID: o.pid}
	if o.password != "" {
		secret, err := os.ReadFile(o.password)
		if err != nil {
			return t, err
		}
		t.Password = strings.TrimRight(string(secret), "\r\n")
	}
	return t, nil
}

// benchRow rounds a result to what can be relied on.
func benchRow(r bench.Result) object {
	row := object{"scenario": r.Scenario, "qos": int(r.QoS), "count": r.Count, "seconds": r.Elapsed.Seconds(), "perSecond": int64(r.PerSecond)}
	if r.CPU > 0 {
		row["cpuMicroseconds"] = fmt.Sprintf("%.2f", r.CPU)
	}
	if r.Resident > 0 {
		row["residentKiB"] = r.Resident >> 10
	}
	if r.PerClient != 0 {
		row["kibPerClient"] = fmt.Sprintf("%.2f", r.PerClient/1024)
	}
	if r.P50 > 0 {
		row["p50"], row["p99"], row["p999"], row["max"] = r.P50.String(), r.P99.String(), r.P999.String(), r.LatencyMax.String()
	}
	return row
}
