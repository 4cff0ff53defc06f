package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/spf13/cobra"
)

// mqttFlags say how pub and sub connect: by default through the login's server and as the signed-in user.
type mqttFlags struct {
	serverFlags
	broker   string
	username string
	password string // name of a file
	clientID string
}

func (f *mqttFlags) register(cmd *cobra.Command) {
	f.serverFlags.register(cmd)
	cmd.Flags().StringVar(&f.broker, "broker", "", "MQTT `URL`: mqtts://host:8883, wss://host:8443/mqtt, mqtt://host:1883 (default: the server's WebSocket)")
	cmd.Flags().StringVarP(&f.username, "username", "u", "", "user name, such as a device's `id` (or XIVELY_MQTT_USERNAME; default: the signed-in user)")
	cmd.Flags().StringVar(&f.password, "password-file", "", "`file` with the user name's secret (or XIVELY_MQTT_PASSWORD)")
	cmd.Flags().StringVarP(&f.clientID, "id", "i", "", "client `id` (default: the server chooses)")
}

const mqttTimeout = 10 * time.Second

// options returns how to connect, and the account of the login if there is one.
func (f *mqttFlags) options(ctx context.Context) (*mqtt.ClientOptions, string, error) {
	c, err := f.client()
	if err != nil {
		return nil, "", err
	}
	broker, err := brokerURL(first(f.broker, c.Server))
	if err != nil {
		return nil, "", err
	}
	tlsConfig, err := c.tlsConfig()
	if err != nil {
		return nil, "", err
	}
	o := mqtt.NewClientOptions().AddBroker(broker).SetTLSConfig(tlsConfig).SetClientID(f.clientID).
		SetProtocolVersion(4).SetConnectTimeout(mqttTimeout).SetAutoReconnect(false).SetOrderMatters(true)
	username := first(f.username, os.Getenv("XIVELY_MQTT_USERNAME"))
	switch {
	case username != "":
		secret, err := f.secret()
		if err != nil {
			return nil, "", err
		}
		o.SetUsername(username).SetPassword(secret)
	case c.Token != "":
		token, err := c.freshToken(ctx)
		if err != nil {
			return nil, "", err
		}
		o.SetUsername("Auth:JWT").SetPassword(token)
	}
	// With neither, the client connects without credentials: broker.anonymous decides.
	return o, c.AccountID, nil
}

func (f *mqttFlags) secret() (string, error) {
	if f.password == "" {
		if p := os.Getenv("XIVELY_MQTT_PASSWORD"); p != "" {
			return p, nil
		}
		return "", usageError("a user name needs its secret: --password-file or XIVELY_MQTT_PASSWORD")
	}
	text, err := os.ReadFile(f.password)
	return strings.TrimRight(string(text), "\r\n"), err
}

// brokerURL turns what people write into what paho dials. A server's http URL means its WebSocket.
func brokerURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return "", usageError("%q is not an MQTT URL such as mqtts://host:8883", s)
	}
	switch u.Scheme {
	case "http", "https":
		u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
		u.Path = "/mqtt"
	case "mqtt", "tcp":
		u.Scheme = "tcp"
	case "mqtts", "ssl", "tls":
		u.Scheme = "ssl"
	case "ws", "wss":
		u.Path = first(strings.TrimSuffix(u.Path, "/"), "/mqtt")
	default:
		return "", usageError("%q: want mqtt, mqtts, ws or wss", s)
	}
	return u.String(), nil
}

// connect dials and tells a refusal from a failure.
func connect(ctx context.Context, c mqtt.Client) error {
	err := wait(ctx, c.Connect(), "connect")
	switch {
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		return &apiError{http.StatusUnauthorized, err.Error()}
	}
	return err
}

// wait waits for a token of paho's, at most for mqttTimeout.
func wait(ctx context.Context, t mqtt.Token, doing string) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(mqttTimeout):
		return fmt.Errorf("%s: no answer within %v", doing, mqttTimeout)
	case <-t.Done():
	}
	if err := t.Error(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

func newPubCommand() *cobra.Command {
	var (
		conn    mqttFlags
		to      topicFlags
		message string
		qos     int
		retain  bool
		lines   bool
	)
	cmd := &cobra.Command{
		Use:   "pub [TOPIC] -m MESSAGE",
		Short: "Publish a message over MQTT",
		Example: `  xively pub --device 0b6e… --channel temp -m ',,21.5,'
  xively pub plant/gate -m open -q 1
  sensor | xively pub xi/blue/v1/…/temp --lines -u 0b6e… --password-file secret`,
		Args: atMostArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if qos < 0 || qos > 2 {
				return usageError("--qos %d is not 0, 1 or 2", qos)
			}
			if lines == cmd.Flags().Changed("message") {
				return usageError("want either --message or --lines")
			}
			options, account, err := conn.options(cmd.Context())
			if err != nil {
				return err
			}
			topic, err := to.topic(account, args)
			if err != nil {
				return err
			}
			c := mqtt.NewClient(options)
			if err := connect(cmd.Context(), c); err != nil {
				return err
			}
			defer c.Disconnect(250)
			publish := func(text string) error {
				return wait(cmd.Context(), c.Publish(topic, byte(qos), retain, text), "publish")
			}
			if !lines {
				return publish(message)
			}
			in := bufio.NewScanner(cmd.InOrStdin())
			in.Buffer(nil, 256<<10)
			for in.Scan() {
				if err := publish(in.Text()); err != nil {
					return err
				}
			}
			return in.Err()
		},
	}
	conn.register(cmd)
	to.register(cmd)
	cmd.Flags().StringVarP(&message, "message", "m", "", "what to publish")
	cmd.Flags().BoolVarP(&lines, "lines", "l", false, "publish each line of standard input")
	cmd.Flags().IntVarP(&qos, "qos", "q", 1, "quality of service: 0, 1 or 2")
	cmd.Flags().BoolVarP(&retain, "retain", "r", false, "keep the message for later subscribers")
	return cmd
}

func newSubCommand() *cobra.Command {
	var (
		conn  mqttFlags
		from  topicFlags
		qos   int
		count int
	)
	cmd := &cobra.Command{
		Use:   "sub [FILTER]",
		Short: "Print messages as they arrive, one line each: topic, a tab, payload",
		Example: `  xively sub --device 0b6e… --channel temp
  xively sub 'xi/blue/v1/…/#' -n 10`,
		Args: atMostArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if qos < 0 || qos > 2 {
				return usageError("--qos %d is not 0, 1 or 2", qos)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			options, account, err := conn.options(ctx)
			if err != nil {
				return err
			}
			filter, err := from.topic(account, args)
			if err != nil {
				return err
			}
			return subscribe(ctx, cmd, options, filter, byte(qos), count)
		},
	}
	conn.register(cmd)
	from.register(cmd)
	cmd.Flags().IntVarP(&qos, "qos", "q", 1, "highest quality of service: 0, 1 or 2")
	cmd.Flags().IntVarP(&count, "count", "n", 0, "end after so many messages (0: go on until interrupted)")
	return cmd
}

// subscribe prints messages until ctx ends, count is reached or the connection is lost.
func subscribe(ctx context.Context, cmd *cobra.Command, options *mqtt.ClientOptions, filter string, qos byte, count int) error {
	var (
		lost     = make(chan error, 1)
		complete = make(chan struct{})
		printed  int // only paho's dispatcher counts: it calls one handler after the other
	)
	options.SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err })
	c := mqtt.NewClient(options)
	if err := connect(ctx, c); err != nil {
		return err
	}
	defer c.Disconnect(250)
	granted := c.Subscribe(filter, qos, func(_ mqtt.Client, m mqtt.Message) {
		if count > 0 && printed == count {
			return
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s\t%s\n", printable(m.Topic()), m.Payload())
		if printed++; printed == count {
			close(complete)
		}
	})
	if err := wait(ctx, granted, "subscribe"); err != nil {
		return err
	}
	if s, ok := granted.(*mqtt.SubscribeToken); ok && s.Result()[filter] == 0x80 {
		return &apiError{http.StatusForbidden, "the server refused the subscription to " + filter + ": `xively logs search` tells why"}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Subscribed to %s\n", filter)
	select {
	case <-ctx.Done():
	case <-complete:
	case err := <-lost:
		return fmt.Errorf("connection lost: %w", err)
	}
	return nil
}
