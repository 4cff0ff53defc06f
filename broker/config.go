package broker

import (
	"cmp"
	"fmt"
	"time"
)

// Config bounds what clients may ask for. The zero value of a field means its default.
type Config struct {
	MaxPacketBytes          int           `yaml:"max_packet_bytes"`       // whole control packet; a larger one ends the connection
	MaxConnectBytes         int           `yaml:"max_connect_bytes"`      // the CONNECT packet, before anybody is authenticated
	MaxTopicBytes           int           `yaml:"max_topic_bytes"`        // topic name or filter, UTF-8 bytes
	MaxTopicLevels          int           `yaml:"max_topic_levels"`       // parts between slashes
	MaxClientIDBytes        int           `yaml:"max_client_id_bytes"`    // Client Identifier
	MaxFilters              int           `yaml:"max_filters"`            // topic filters in one SUBSCRIBE or UNSUBSCRIBE
	MaxSubscriptions        int           `yaml:"max_subscriptions"`      // per session; further ones get SUBACK 0x80
	MaxInflight             int           `yaml:"max_inflight"`           // QoS 1 and 2 messages sent to a client and not yet acknowledged
	MaxUnreleased           int           `yaml:"max_unreleased"`         // QoS 2 messages received and not yet released by PUBREL
	QueueMessages           int           `yaml:"queue_messages"`         // QoS 1 and 2 messages waiting for one session
	QueueBytes              int           `yaml:"queue_bytes"`            // and their payload bytes
	OutgoingBytes           int           `yaml:"outgoing_bytes"`         // encoded packets waiting for one slow connection; QoS 0 is shed above it
	OutgoingTotalBytes      int           `yaml:"outgoing_total_bytes"`   // and for all slow connections together; QoS 0 is shed above it, QoS 1 and 2 wait in their queues
	ConnectTimeout          time.Duration `yaml:"connect_timeout"`        // from accept to a complete CONNECT, TLS handshake included
	PacketTimeout           time.Duration `yaml:"packet_timeout"`         // from a packet's first byte to its last
	WriteTimeout            time.Duration `yaml:"write_timeout"`          // a client that takes no byte for so long is closed
	MaxKeepAlive            time.Duration `yaml:"max_keep_alive"`         // longest silence allowed, also for clients that ask for none (keep alive 0)
	MaxUnauthenticated      int           `yaml:"max_unauthenticated"`    // connections that have not finished CONNECT, in all
	MaxUnauthenticatedPerIP int           `yaml:"max_unauthenticated_ip"` // and from one address
	MaxSessions             int           `yaml:"max_sessions"`           // persistent sessions of one principal; a further one is refused
	SessionExpiry           time.Duration `yaml:"session_expiry"`         // a persistent session whose client is away for longer, while the server runs, ends; 0 is the default, negative never
	MaxTakeovers            int           `yaml:"max_takeovers"`          // of one client id in a minute; then who has it keeps it
	MaxRetained             int           `yaml:"max_retained"`           // retained messages of one account
	MaxRetainedBytes        int           `yaml:"max_retained_bytes"`     // and their topics and payloads
	LogLines                int           `yaml:"log_lines"`              // of the process's log that one address may cause in a minute; ten times as many all together
	SysInterval             time.Duration `yaml:"sys_interval"`           // between two messages to each $SYS topic; 0 is the default, negative switches $SYS off
	TopicStats              int           `yaml:"topic_stats"`            // topics of one account whose messages are counted one by one; 0 is the default, negative none
	Version                 string        `yaml:"-"`                      // of the product, for $SYS/broker/version
	SharedDelivery          string        `yaml:"shared_delivery"`        // which member of a shared subscription: "round-robin" or "sticky" by topic
}

// DefaultConfig returns the limits a server starts with.
func DefaultConfig() Config {
	return Config{
		MaxPacketBytes:          256 << 10,
		MaxConnectBytes:         64 << 10,
		MaxTopicBytes:           1024,
		MaxTopicLevels:          32,
		MaxClientIDBytes:        128,
		MaxFilters:              32,
		MaxSubscriptions:        100,
		MaxInflight:             64,
		MaxUnreleased:           100,
		QueueMessages:           1000,
		QueueBytes:              8 << 20,
		OutgoingBytes:           1 << 20,
		OutgoingTotalBytes:      256 << 20,
		ConnectTimeout:          10 * time.Second,
		PacketTimeout:           30 * time.Second,
		WriteTimeout:            60 * time.Second,
		MaxKeepAlive:            65535 * time.Second,
		MaxUnauthenticated:      256,
		MaxUnauthenticatedPerIP: 16,
		MaxSessions:             1000,
		SessionExpiry:           90 * 24 * time.Hour,
		MaxTakeovers:            30,
		MaxRetained:             1_000_000,
		MaxRetainedBytes:        1 << 30,
		LogLines:                60,
		SysInterval:             10 * time.Second,
		TopicStats:              1000,
		SharedDelivery:          sharedRoundRobin,
	}
}

func (c Config) withDefaults() Config {
	d := DefaultConfig()
	setInt := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	setTime := func(v *time.Duration, def time.Duration) {
		if *v == 0 {
			*v = def
		}
	}
	setInt(&c.MaxPacketBytes, d.MaxPacketBytes)
	setInt(&c.MaxConnectBytes, d.MaxConnectBytes)
	setInt(&c.MaxTopicBytes, d.MaxTopicBytes)
	setInt(&c.MaxTopicLevels, d.MaxTopicLevels)
	setInt(&c.MaxClientIDBytes, d.MaxClientIDBytes)
	setInt(&c.MaxFilters, d.MaxFilters)
	setInt(&c.MaxSubscriptions, d.MaxSubscriptions)
	setInt(&c.MaxInflight, d.MaxInflight)
	setInt(&c.MaxUnreleased, d.MaxUnreleased)
	setInt(&c.QueueMessages, d.QueueMessages)
	setInt(&c.QueueBytes, d.QueueBytes)
	setInt(&c.OutgoingBytes, d.OutgoingBytes)
	setInt(&c.OutgoingTotalBytes, d.OutgoingTotalBytes)
	setTime(&c.ConnectTimeout, d.ConnectTimeout)
	setTime(&c.PacketTimeout, d.PacketTimeout)
	setTime(&c.WriteTimeout, d.WriteTimeout)
	setTime(&c.MaxKeepAlive, d.MaxKeepAlive)
	setInt(&c.MaxUnauthenticated, d.MaxUnauthenticated)
	setInt(&c.MaxUnauthenticatedPerIP, d.MaxUnauthenticatedPerIP)
	setInt(&c.MaxSessions, d.MaxSessions)
	setTime(&c.SessionExpiry, d.SessionExpiry)
	setInt(&c.MaxTakeovers, d.MaxTakeovers)
	setInt(&c.MaxRetained, d.MaxRetained)
	setInt(&c.MaxRetainedBytes, d.MaxRetainedBytes)
	setInt(&c.LogLines, d.LogLines)
	setTime(&c.SysInterval, d.SysInterval)
	setInt(&c.TopicStats, d.TopicStats)
	c.SharedDelivery = cmp.Or(c.SharedDelivery, d.SharedDelivery)
	return c
}

// Validate reports the first limit that no server could run with.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch {
	case c.MaxPacketBytes < 1<<10 || c.MaxPacketBytes > 256<<20:
		return fmt.Errorf("max_packet_bytes: %d is not between 1 KiB and 256 MiB", c.MaxPacketBytes)
	case c.MaxConnectBytes < 256 || c.MaxConnectBytes > c.MaxPacketBytes:
		return fmt.Errorf("max_connect_bytes: %d is not between 256 and max_packet_bytes", c.MaxConnectBytes)
	case c.MaxTopicBytes < 1 || c.MaxTopicBytes > 32000:
		// A retained message is stored under its account and topic, and a key of the store has at most 32,768 bytes.
		return fmt.Errorf("max_topic_bytes: %d is not between 1 and 32000", c.MaxTopicBytes)
	case c.MaxTopicLevels < 1 || c.MaxTopicLevels > 128:
		return fmt.Errorf("max_topic_levels: %d is not between 1 and 128", c.MaxTopicLevels)
	case c.MaxClientIDBytes < 23 || c.MaxClientIDBytes > 65535:
		return fmt.Errorf("max_client_id_bytes: %d is not between 23 and 65535 [MQTT-3.1.3-5]", c.MaxClientIDBytes)
	case c.MaxInflight < 1 || c.MaxInflight > 1024:
		return fmt.Errorf("max_inflight: %d is not between 1 and 1024", c.MaxInflight)
	case c.QueueMessages < 1 || c.QueueMessages > 30000:
		// A queued message holds its Packet Identifier already, and there are 65,535 of them.
		return fmt.Errorf("queue_messages: %d is not between 1 and 30000", c.QueueMessages)
	case c.OutgoingBytes < 16<<10:
		return fmt.Errorf("outgoing_bytes: %d is below 16 KiB", c.OutgoingBytes)
	case c.OutgoingTotalBytes < c.OutgoingBytes:
		return fmt.Errorf("outgoing_total_bytes: %d is less than outgoing_bytes", c.OutgoingTotalBytes)
	case c.SharedDelivery != sharedRoundRobin && c.SharedDelivery != sharedSticky:
		return fmt.Errorf("shared_delivery: %q is not %s or %s", c.SharedDelivery, sharedRoundRobin, sharedSticky)
	}
	for _, f := range []struct {
		name string
		v    int64
	}{
		{"max_filters", int64(c.MaxFilters)}, {"max_subscriptions", int64(c.MaxSubscriptions)}, {"max_unreleased", int64(c.MaxUnreleased)},
		{"queue_bytes", int64(c.QueueBytes)}, {"connect_timeout", int64(c.ConnectTimeout)}, {"packet_timeout", int64(c.PacketTimeout)},
		{"write_timeout", int64(c.WriteTimeout)}, {"max_keep_alive", int64(c.MaxKeepAlive)},
		{"max_sessions", int64(c.MaxSessions)}, {"max_takeovers", int64(c.MaxTakeovers)}, {"max_retained", int64(c.MaxRetained)},
		{"max_retained_bytes", int64(c.MaxRetainedBytes)}, {"log_lines", int64(c.LogLines)},
		{"max_unauthenticated", int64(c.MaxUnauthenticated)}, {"max_unauthenticated_ip", int64(c.MaxUnauthenticatedPerIP)},
	} {
		if f.v < 1 {
			return fmt.Errorf("%s: must be positive", f.name)
		}
	}
	return nil
}
