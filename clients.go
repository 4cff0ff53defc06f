package main

import (
	"encoding/base64"
	"errors"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"xively/broker"
	"xively/broker/topic"
	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest"
	"xively/logging"
)

// What admins see of their account's messaging, and may do to its clients, over REST:
//
//	GET  /messaging/clients                  those that are there and, with a persistent session, those that are away
//	GET  /messaging/clients/:id              one of them with its subscriptions
//	POST /messaging/clients/:id/disconnect   ends its connection
//	POST /messaging/clients/:id/clear        and its session
//	GET  /messaging/topics                   what the account's topics carried
//	GET  /messaging/retained                 its retained messages
//	GET  /messaging/stats                    its figures, and the limits that hold
func (p *platform) messagingRoutes(g *echo.Group) {
	g.GET("/messaging/clients", p.listClients)
	g.GET("/messaging/clients/:id", p.getClient)
	g.POST("/messaging/clients/:id/disconnect", p.disconnectClient)
	g.POST("/messaging/clients/:id/clear", p.clearSession)
	g.GET("/messaging/topics", p.listTopics)
	g.GET("/messaging/retained", p.listRetained)
	g.GET("/messaging/stats", p.messagingStats)
}

// adminsOf keeps everybody but admins from what tells of all devices and people of the account.
func (p *platform) adminsOf(what string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := p.blueprint.MayAdminister(rest.Caller(c), what, c.RealIP()); err != nil {
				return err
			}
			return next(c)
		}
	}
}

func (p *platform) listClients(c echo.Context) error {
	page, err := sortedPage(c, "clientId")
	if err != nil {
		return err
	}
	q := broker.ClientQuery{PrincipalID: first(c.QueryParam("principalId"), c.QueryParam("deviceId")), ClientID: c.QueryParam("clientId")}
	if v := c.QueryParam("principalType"); v != "" {
		if q.Kind = auth.KindOf(v); q.Kind == auth.Nobody {
			return fault.Field("principalType", "This must be device, accountUser, endUser, application or anonymous.")
		}
	}
	if v := c.QueryParam("connected"); v != "" {
		connected, ok := rest.Bool(v)
		if !ok {
			return fault.Field("connected", "This must be true or false.")
		}
		q.Connected = &connected
	}
	clients, total := p.broker.Clients(rest.Caller(c).AccountID, q, page.Offset(), page.PageSize)
	rows := make([]object, len(clients))
	for i := range clients {
		rows[i] = clientView(&clients[i])
	}
	return rest.List(c, "clients", rows, total, page)
}

// sortedPage reads paging for a list that has one order.
func sortedPage(c echo.Context, by string) (rest.Page, error) {
	page, err := rest.ParsePage(c)
	if err == nil && (page.SortBy != "" && page.SortBy != by || page.Desc) {
		err = fault.Field("sortBy", "This list is sorted by %s, ascending.", by)
	}
	page.SortBy = by
	return page, err
}

// clientView is a client as REST shows it.
func clientView(i *broker.ClientInfo) object {
	o := object{
		"id": i.ID, "clientId": i.ClientID, "principalType": i.Principal.Kind.String(), "principalId": i.Principal.ID,
		"connected": i.Connected, "cleanSession": !i.Persistent, "subscriptionCount": i.Subscriptions,
		"queued": i.Queued, "queuedBytes": i.QueuedBytes, "inflight": i.Inflight, "unreleased": i.Unreleased,
		"messagesIn": i.Traffic.MessagesIn, "messagesOut": i.Traffic.MessagesOut, "bytesIn": i.Traffic.BytesIn, "bytesOut": i.Traffic.BytesOut,
		"dropped": i.Traffic.Dropped, "refused": i.Traffic.Refused,
	}
	if i.Connected {
		o["remoteAddress"], o["transport"], o["tlsVersion"], o["protocol"] = i.Conn.Remote, i.Conn.Transport, i.Conn.TLSVersion, i.Conn.Protocol
		o["keepAlive"], o["connectedAt"] = int(i.Conn.KeepAlive.Seconds()), rest.Time(i.Conn.At)
	} else if !i.LastSeen.IsZero() {
		o["lastSeenAt"] = rest.Time(i.LastSeen)
	}
	return o
}

func (p *platform) getClient(c echo.Context) error {
	info, subs, ok := p.broker.Client(rest.Caller(c).AccountID, c.Param("id"))
	if !ok {
		return noClient()
	}
	o := clientView(&info)
	list := make([]object, len(subs))
	for i, s := range subs {
		list[i] = object{"filter": s.Filter, "qos": s.QoS}
	}
	o["subscriptions"] = list
	return rest.One(c, "client", o)
}

func noClient() error { return fault.New(fault.NotFound, "There is no such MQTT client.") }

func (p *platform) disconnectClient(c echo.Context) error {
	reason, err := reasonGiven(c, "disconnected")
	if err != nil {
		return err
	}
	info, ok := p.broker.DisconnectClient(rest.Caller(c).AccountID, c.Param("id"), reason)
	switch {
	case info.ID == "":
		return noClient()
	case !ok:
		return fault.New(fault.Conflict, "The client is not connected.")
	}
	return rest.JSON(c, map[string]bool{"success": true})
}

func (p *platform) clearSession(c echo.Context) error {
	reason, err := reasonGiven(c, "session cleared")
	if err != nil {
		return err
	}
	info, ok, err := p.broker.ClearSession(c.Request().Context(), rest.Caller(c).AccountID, c.Param("id"), reason)
	if err != nil {
		return err
	}
	if !ok {
		return noClient()
	}
	conn := info.Conn
	conn.Principal, conn.ClientID = info.Principal, info.ClientID
	entry := p.events.entry(conn, logging.Informational, "200", "MQTT client "+quoted(info.ClientID)+": "+reason)
	entry.Tags = []string{"audit"}
	entry.Custom["clientId"], entry.Custom["queued"], entry.Custom["subscriptions"] = info.ClientID, info.Queued, info.Subscriptions
	p.logs.Append(entry)
	return rest.JSON(c, map[string]bool{"success": true})
}

// reasonGiven is what the log will tell: who did it and, if they said so, why.
func reasonGiven(c echo.Context, what string) (string, error) {
	var body struct {
		Reason string `json:"reason"`
	}
	if c.Request().ContentLength != 0 {
		if err := rest.Bind(c, &body); err != nil {
			return "", err
		}
	}
	if utf8.RuneCountInString(body.Reason) > 500 {
		return "", fault.Field("reason", "This must have at most 500 characters.")
	}
	text := what + " by " + rest.Caller(c).String()
	if body.Reason != "" {
		text += ": " + printable(body.Reason)
	}
	return text, nil
}

func (p *platform) listTopics(c echo.Context) error {
	page, err := rest.ParsePage(c)
	if err != nil {
		return err
	}
	filter, err := filterAsked(c)
	if err != nil {
		return err
	}
	page.SortBy = first(page.SortBy, broker.TopicsByMessages)
	page.Desc = page.SortBy != broker.TopicsByName
	switch page.SortBy {
	case broker.TopicsByMessages, broker.TopicsByBytes, broker.TopicsByTime, broker.TopicsByName:
	default:
		return fault.Field("sortBy", "This must be messages, bytes, lastSeen or topic.")
	}
	topics, total, sums := p.broker.Topics(rest.Caller(c).AccountID, filter, page.SortBy, page.Offset(), page.PageSize)
	rows := make([]object, len(topics))
	for i, t := range topics {
		rows[i] = object{"topic": t.Topic, "messages": t.Messages, "bytes": t.Bytes, "lastSeen": rest.Time(t.LastSeen), "retained": t.Retained}
	}
	return rest.ListWith(c, "topics", rows, total, page, object{"leftOut": object{
		"topics": sums.LeftOut, "messages": sums.LeftMessages, "bytes": sums.LeftPayload,
	}})
}

// filterAsked reads a topic filter from the query, # when there is none.
func filterAsked(c echo.Context) (string, error) {
	filter := first(c.QueryParam("filter"), "#")
	var malformed *topic.Error
	if err := topic.CheckFilter(filter, 0, 0); errors.As(err, &malformed) {
		return "", fault.Field("filter", "This is no topic filter: %s.", malformed.Reason)
	}
	return filter, nil
}

// shownPayload is how much of a retained message's payload a list shows.
const shownPayload = 4 << 10

func (p *platform) listRetained(c echo.Context) error {
	page, err := sortedPage(c, "topic")
	if err != nil {
		return err
	}
	filter, err := filterAsked(c)
	if err != nil {
		return err
	}
	messages, total := p.broker.Retained(rest.Caller(c).AccountID, filter, page.Offset(), page.PageSize)
	rows := make([]object, len(messages))
	for i, m := range messages {
		rows[i] = object{"topic": m.Topic, "qos": m.QoS, "payloadBytes": len(m.Payload),
			"payload": base64.StdEncoding.EncodeToString(m.Payload[:min(len(m.Payload), shownPayload)])}
	}
	return rest.List(c, "retained", rows, total, page)
}

func (p *platform) messagingStats(c echo.Context) error {
	st, cfg := p.broker.AccountStats(rest.Caller(c).AccountID), p.broker.Limits()
	return rest.One(c, "stats", object{
		"connected": st.Connected, "sessions": st.Sessions, "subscriptions": st.Subscriptions, "sharedSubscriptions": st.Shared,
		"retained": st.Retained, "queued": st.Queued,
		"messagesIn": st.Traffic.MessagesIn, "messagesOut": st.Traffic.MessagesOut, "bytesIn": st.Traffic.BytesIn, "bytesOut": st.Traffic.BytesOut,
		"dropped": st.Traffic.Dropped, "refused": st.Traffic.Refused,
		"limits": object{
			"packetBytes": cfg.MaxPacketBytes, "subscriptions": cfg.MaxSubscriptions, "inflight": cfg.MaxInflight, "unreleased": cfg.MaxUnreleased,
			"queueMessages": cfg.QueueMessages, "queueBytes": cfg.QueueBytes, "outgoingBytes": cfg.OutgoingBytes,
			"keepAlive": int(cfg.MaxKeepAlive.Seconds()), "topics": max(0, cfg.TopicStats),
		},
	})
}
