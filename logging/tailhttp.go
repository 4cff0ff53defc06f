package logging

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
)

// getTail sends "entry" events whose id is the entry's, and "dropped" events with {"dropped":n}. A client that was cut off says with
// Last-Event-ID where it was. It ends with the request's context.
func (s *Service) getTail(c echo.Context) error {
	a, err := s.ask(c)
	if err != nil {
		return err
	}
	after := c.Request().Header.Get("Last-Event-ID")
	if after == "" {
		after = c.QueryParam("lastEventId") // for clients that cannot set headers
	}
	if _, ok := positionOfID(after); after != "" && !ok {
		return fault.Field("Last-Event-ID", "This must be the id of an event of an earlier answer.")
	}
	v := &eventStream{to: c.Response(), control: http.NewResponseController(c.Response())}
	err = s.Watch(c.Request().Context(), a.account, a.Query, after, v)
	if !v.begun {
		return err
	}
	return nil // the connection is gone, or the client is; there is nobody to tell
}

// eventStream is a Viewer that writes server-sent events.
type eventStream struct {
	to      *echo.Response
	control *http.ResponseController
	begun   bool
}

func (v *eventStream) Begin() error {
	h := v.to.Header()
	h.Set(echo.HeaderContentType, "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // proxies must not wait for more
	v.begun = true
	_ = v.control.SetReadDeadline(time.Time{}) // else the server takes the end of its time to read for the end of the client
	v.to.WriteHeader(http.StatusOK)
	return v.send("retry: 2000\n\n")
}

func (v *eventStream) send(text string) error {
	_ = v.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := v.to.Write([]byte(text)); err != nil {
		return err
	}
	return v.control.Flush()
}

func (v *eventStream) Entry(e *Entry) error {
	data, err := json.Marshal(listed{e.ID, e})
	if err != nil {
		return err
	}
	return v.send("id: " + e.ID + "\nevent: entry\ndata: " + string(data) + "\n\n")
}

func (v *eventStream) Dropped(n uint64) error {
	return v.send("event: dropped\ndata: {\"dropped\":" + strconv.FormatUint(n, 10) + "}\n\n")
}

func (v *eventStream) Idle() error { return v.send(": idle\n\n") }
