package main

import (
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"xively/blueprint"
	"xively/broker"
	"xively/identity"
	"xively/internal/operate"
	"xively/logging"
	"xively/storage"
	"xively/timeseries"
)

// exampleConfig is config.example.yaml: every setting with its default, unit and reason. A test holds it to
// defaultConfig and to the structs below.
//
//go:embed config.example.yaml
var exampleConfig []byte

// Config is everything an operator can set. A field's name in snake case is its key: Listen.MQTT is listen.mqtt in
// the file and XIVELY_LISTEN_MQTT in the environment. Each module owns and documents its part.
type Config struct {
	Data       string // the data folder; relative paths are seen from the working directory
	Listen     ListenConfig
	TLS        TLSConfig
	Storage    StorageConfig
	Broker     BrokerConfig
	Blueprint  blueprint.Config
	Identity   identity.Config
	TimeSeries timeseries.Config `yaml:"timeseries"`
	Logging    logging.Config    // device logs
	Log        LogConfig         // the process's own
	REST       RESTConfig        `yaml:"rest"`
	Backup     BackupConfig
	Shutdown   time.Duration // how long a stop may take to drain before connections are cut
}

// ListenConfig holds the addresses (host:port, :port for all interfaces, port 0 for any). "" switches one off.
type ListenConfig struct {
	Local string // console, REST and WebSocket in clear text; loopback addresses only
	TLS   string // console, REST, WebSocket and MQTT on one port
	MQTTS string // MQTT over TLS
	MQTT  string // MQTT in clear text, for private networks

	Proxy     []string // of tls, mqtts and mqtt those that a load balancer connects to by the PROXY protocol
	ProxyFrom []string // addresses and networks of those load balancers
}

// proxied returns whom a listener believes PROXY headers, nil when it expects none.
func (c ListenConfig) proxied(key string) []netip.Prefix {
	if !slices.Contains(c.Proxy, strings.TrimPrefix(key, "listen.")) {
		return nil
	}
	networks, _ := networksOf(c.ProxyFrom) // Validate has seen them
	return networks
}

// networksOf reads networks such as 10.0.0.0/8 and single addresses.
func networksOf(texts []string) (all []netip.Prefix, err error) {
	for _, t := range texts {
		p, err := netip.ParsePrefix(t)
		if ip, one := netip.ParseAddr(t); one == nil && ip.Zone() == "" {
			p, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q is not an address or a network such as 10.0.0.0/8", t)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

func (c ListenConfig) validateProxy() error {
	for _, name := range c.Proxy {
		if name != "tls" && name != "mqtts" && name != "mqtt" {
			return fmt.Errorf("listen.proxy: %q is not tls, mqtts or mqtt", name)
		}
	}
	networks, err := networksOf(c.ProxyFrom)
	if err != nil {
		return fmt.Errorf("listen.proxy_from: %w", err)
	}
	if len(c.Proxy) > 0 && len(networks) == 0 {
		return errors.New("listen.proxy_from: listen.proxy needs the addresses of the load balancers; nobody else is let in there")
	}
	return nil
}

// StorageConfig is what an operator may change of storage.Config; the rest is for tests.
type StorageConfig struct {
	CheckpointBytes int64
	MaxBytes        int64
}

func (c StorageConfig) config(dir string) storage.Config {
	return storage.Config{Dir: dir, CheckpointBytes: c.CheckpointBytes, MaxBytes: c.MaxBytes}
}

// BrokerConfig is the broker's own configuration and who may connect without credentials, which only the wiring knows.
type BrokerConfig struct {
	Anonymous string // id of the account whose free topics are open to clients without credentials; "" for none
	broker.Config
}

// BackupConfig is operate's; without a folder of their own, backups lie in the data folder.
type BackupConfig struct {
	operate.Config `yaml:",inline"`
}

func (c BackupConfig) config(data string) operate.Config {
	out := c.Config
	out.Data = data
	if out.Dir == "" {
		out.Dir = filepath.Join(data, "backups")
	}
	return out
}

// RESTConfig is about requests, whichever module answers them.
type RESTConfig struct {
	Origins []string // of the pages of other sites that may call the API, such as https://shop.example.com
}

// Validate reports an origin that no browser would ever send.
func (c RESTConfig) Validate() error {
	for _, o := range c.Origins {
		u, err := url.Parse(o)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Scheme+"://"+u.Host != o || o != strings.ToLower(o) {
			return fmt.Errorf("origins: %q is not an origin such as https://shop.example.com, in lower case and with nothing behind it; there is no *", o)
		}
	}
	return nil
}

// LogConfig is about the process's own log on stderr, not about the device logs.
type LogConfig struct {
	Level  string // debug, info, warn, error
	Format string // text, json
}

// defaultConfig returns the settings that hold where nothing else is said.
func defaultConfig() Config {
	return Config{
		Data:       "./data",
		Listen:     ListenConfig{Local: "127.0.0.1:8080", TLS: ":8443", MQTTS: ":8883"},
		Storage:    StorageConfig{CheckpointBytes: 64 << 20},
		Broker:     BrokerConfig{Config: broker.DefaultConfig()},
		Blueprint:  blueprint.DefaultConfig(),
		Identity:   identity.DefaultConfig(),
		TimeSeries: timeseries.DefaultConfig(),
		Logging:    logging.DefaultConfig(),
		Backup:     BackupConfig{operate.DefaultConfig()},
		Log:        LogConfig{Level: "info", Format: "text"},
		Shutdown:   15 * time.Second,
	}
}

// Validate reports the first setting that cannot work, naming its key.
func (c Config) Validate() error {
	if c.Data == "" {
		return errors.New("data: a folder is needed")
	}
	if c.Shutdown <= 0 || c.Shutdown > 10*time.Minute {
		return fmt.Errorf("shutdown: %v is not between 1ms and 10m", c.Shutdown)
	}
	if _, err := c.Log.level(); err != nil {
		return err
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		return fmt.Errorf("log.format: %q is not text or json", c.Log.Format)
	}
	if c.Storage.CheckpointBytes < 1<<20 {
		return fmt.Errorf("storage.checkpoint_bytes: %d is below 1MiB", c.Storage.CheckpointBytes)
	}
	for _, part := range []struct {
		prefix string
		err    error
	}{
		{"", c.Listen.Validate()}, {"", c.TLS.Validate()}, {"broker.", c.Broker.Validate()},
		{"blueprint.", c.Blueprint.Validate()}, {"identity.", c.Identity.Validate()},
		{"timeseries.", c.TimeSeries.Validate()}, {"logging.", c.Logging.Validate()}, {"rest.", c.REST.Validate()}, {"backup.", c.Backup.Validate()},
		{"timeseries.", c.TimeSeries.Validate()},
	} {
		if part.err != nil {
			return fmt.Errorf("%s%w", part.prefix, part.err)
		}
	}
	return nil
}

// Validate checks the addresses without binding them.
func (c ListenConfig) Validate() error {
	used := map[string]string{}
	for _, a := range []struct{ key, address string }{
		{"listen.local", c.Local}, {"listen.tls", c.TLS}, {"listen.mqtts", c.MQTTS}, {"listen.mqtt", c.MQTT},
	} {
		if a.address == "" {
			continue
		}
		_, port, err := net.SplitHostPort(a.address)
		if err != nil {
			return fmt.Errorf("%s: %q is not host:port or :port", a.key, a.address)
		}
		if _, err := net.LookupPort("tcp", port); err != nil {
			return fmt.Errorf("%s: %q is not a port", a.key, port)
		}
		if other := used[a.address]; other != "" && port != "0" {
			return fmt.Errorf("%s: %s is taken by %s", a.key, a.address, other)
		}
		used[a.address] = a.key
	}
	if err := c.validateProxy(); err != nil {
		return err
	}
	if len(used) == 0 {
		return errors.New("listen: every address is switched off, so nothing could connect")
	}
	if host, _, err := net.SplitHostPort(c.Local); err == nil && !loopback(host) {
		return fmt.Errorf("listen.local: %s would show sign-ins in clear text to the network: use a loopback address here and listen.tls for others", c.Local)
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (c LogConfig) level() (slog.Level, error) {
	switch c.Level {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("log.level: %q is not debug, info, warn or error", c.Level)
}
