package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"xively/broker"
	"xively/broker/topic"
	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest"
)

// publish is Xively's way to publish without MQTT: POST /messaging/publish/<topic>. The body is the payload, whatever
// its content type says. ?qos=0|1|2 (default 1) and ?retain=true are as in MQTT. 200 follows the disk.
func (p *platform) publish(c echo.Context) error {
	name, err := publishTopic(c.Request().URL)
	if err != nil {
		return err
	}
	qos, retain := 1, false
	if v := c.QueryParam("qos"); v != "" {
		if qos, err = strconv.Atoi(v); err != nil || qos < 0 || qos > 2 {
			return fault.Field("qos", "This must be 0, 1 or 2.")
		}
	}
	if v := c.QueryParam("retain"); v != "" {
		if retain, err = strconv.ParseBool(v); err != nil {
			return fault.Field("retain", "This must be true or false.")
		}
	}
	// What MQTT could not carry to a subscriber is not taken here either: the packet's own bytes are the topic, its
	// length, an identifier and at most five of the fixed header.
	most := int64(p.cfg.Broker.MaxPacketBytes - len(name) - 9)
	payload, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, most))
	if err != nil {
		return err
	}
	caller := rest.Caller(c)
	err = p.broker.Publish(caller, name, payload, byte(qos), retain)
	var malformed *topic.Error
	switch {
	case errors.As(err, &malformed):
		return fault.Wrap(fault.Invalid, err, "The topic cannot be published to: %s.", malformed.Reason)
	case err != nil && fault.KindOf(err) == fault.Forbidden:
		p.events.Refused(httpConn(c, caller), "publish", name, err.Error())
	}
	if err != nil {
		return err
	}
	return rest.JSON(c, map[string]bool{"success": true})
}

// httpConn describes a request to the account's log as if it were a connection.
func httpConn(c echo.Context, caller auth.Principal) broker.ConnInfo {
	return broker.ConnInfo{Principal: caller, Remote: c.Request().RemoteAddr, Transport: "http", Protocol: c.Request().Proto}
}

// publishTopic takes the topic with plain slashes or as one escaped segment.
func publishTopic(u *url.URL) (string, error) {
	_, escaped, _ := strings.Cut(u.EscapedPath(), "/messaging/publish/")
	name, err := url.PathUnescape(escaped)
	if err != nil || name == "" {
		return "", fault.New(fault.Invalid, "The path must be /messaging/publish/ and a topic.")
	}
	return name, nil
}

// basicOr lets a caller in by "Authorization: Basic <entity id>:<MQTT secret>", as devices publish over HTTP, and leaves
// every other form to otherwise.
func basicOr(who authenticator, told events, otherwise echo.MiddlewareFunc) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		byToken := otherwise(next)
		return func(c echo.Context) error {
			r := c.Request()
			user, secret, ok := r.BasicAuth()
			if !ok {
				return byToken(c)
			}
			caller, err := who.credential(r.Context(), "", user, []byte(secret))
			if err != nil {
				told.Refused(httpConn(c, caller), "sign-in", "", err.Error())
				return err
			}
			c.SetRequest(r.WithContext(auth.NewContext(r.Context(), caller)))
			return next(c)
		}
	}
}

// port returns the port a listener is bound to, 0 for none.
func port(ln net.Listener) int {
	if ln == nil {
		return 0
	}
	if a, ok := ln.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}
