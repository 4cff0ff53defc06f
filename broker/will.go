package broker

import (
	"fmt"

	"xively/broker/packet"
	"xively/broker/topic"
	"xively/internal/auth"
)

// will is the message a client leaves behind for the case that it does not say goodbye.
//
// It is published when the connection ends by anything but DISCONNECT, a takeover and an orderly stop of the server included
// [MQTT-3.1.2-8]. It lives in memory: a server that is killed does not publish the wills of the connections that end with it.
type will struct {
	topic   string
	payload []byte
	qos     byte
	retain  bool
}

// newWill returns CONNECT's will, nil if there is none. A will that the client may not publish refuses the connection: better at once
// than never knowing. It is judged again when it is published.
func (s *Server) newWill(who auth.Principal, p *packet.Connect) (*will, error) {
	if !p.HasWill {
		return nil, nil
	}
	name := string(p.WillTopic)
	if err := topic.CheckName(name, s.cfg.MaxTopicBytes, s.cfg.MaxTopicLevels); err != nil {
		return nil, fmt.Errorf("will topic: %w", err)
	}
	if name[0] == '$' {
		return nil, fmt.Errorf("will topic: topics that begin with $ are the server's own [MQTT-4.7.2-1]")
	}
	if err := s.authz.MayPublish(who, name); err != nil {
		return nil, fmt.Errorf("will topic: %w", err)
	}
	return &will{name, append([]byte(nil), p.WillPayload...), p.WillQoS, p.WillRetain}, nil
}

// publishWill runs once, on the read loop's goroutine, when the connection has ended.
func (c *conn) publishWill() {
	w := c.will
	if w == nil || c.polite {
		return
	}
	c.will = nil
	defer c.caught("publishing the will")
	if _, err := c.pub.publishChecked(w.topic, w.payload, w.qos, w.retain); err != nil {
		c.srv.stats.publishRefused.Add(1)
		c.srv.events.Refused(c.info, "will", w.topic, err.Error())
	}
}
