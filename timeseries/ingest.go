package timeseries

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest"
	"xively/storage"
)

// MaxBulkBytes is the longest body of a bulk ingest.
const MaxBulkBytes = 64 << 20

// Limits of a bulk ingest.
const (
	maxLine       = 64 << 10
	maxLineErrors = 100  // told in the answer; the rest is counted
	ingestBatch   = 1000 // points that share a journal batch
	maxTopics     = 10_000
)

// lineError says what is wrong with a line of a bulk ingest.
type lineError struct {
	Line    int    `json:"line"`
	Message string `json:"message"`
}

type ingestAnswer struct {
	Stored int         `json:"stored"` // points, on disk
	Failed int         `json:"failed"` // lines that were not taken
	Errors []lineError `json:"errors"` // of the first of them
}

// lineParser appends a line's points and says which topic each is for; "" is the topic of the path.
type lineParser func(in *ingest, line string) error

// ingest is one bulk request. Lines that are wrong are told and left out; the others are stored.
type ingest struct {
	s      *Service
	caller auth.Principal
	topic  string // of the path; "" when the lines name theirs
	now    int64
	unit   int64 // nanoseconds of a line protocol timestamp's unit

	targets map[string]*target
	order   []*target // those with points not stored yet
	waiting int       // points of them
	answer  ingestAnswer
	lsn     storage.LSN
}

// target is a series of the request.
type target struct {
	writer writer
	err    error // why nothing may be written to it
	points []Point
}

// postData takes points in bulk. It answers when they are on disk.
func (s *Service) postData(c echo.Context) error {
	in := &ingest{s: s, caller: rest.Caller(c), now: s.now().UnixMilli(), targets: map[string]*target{}}
	if strings.HasSuffix(c.Path(), "*") {
		var err error
		if in.topic, _, err = topicOf(c); err != nil {
			return err
		}
		if t := in.target(in.topic); t.err != nil {
			return t.err
		}
	}
	parse, err := in.format(c.Request())
	if err != nil {
		return err
	}
	if err := in.read(c.Request().Context(), c.Request().Body, parse); err != nil {
		return err
	}
	if in.answer.Stored == 0 && in.answer.Failed > 0 {
		e := in.answer.Errors[0]
		return fault.New(fault.Invalid, "None of the %d lines was taken. Line %d: %s", in.answer.Failed, e.Line, e.Message)
	}
	return rest.JSON(c, in.answer)
}

// format tells the form of the lines by Content-Type or, when that says nothing, by the format parameter.
func (in *ingest) format(r *http.Request) (lineParser, error) {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, echo.NewHTTPError(http.StatusUnsupportedMediaType, "Encoded request bodies are not taken; send the lines without Content-Encoding.")
	}
	values := r.URL.Query()
	name := values.Get("format")
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); name == "" && err == nil {
		name = map[string]string{"text/csv": "csv", "application/x-ndjson": "ndjson", "application/ndjson": "ndjson", "application/json": "ndjson",
			"application/jsonl": "ndjson", "application/vnd.influx.line-protocol": "influx"}[media]
	}
	units := map[string]int64{"": 1, "ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}
	var ok bool
	if in.unit, ok = units[values.Get("precision")]; !ok {
		return nil, fault.Field("precision", "This must be ns, us, ms or s.")
	}
	switch name {
	case "csv":
		return csvLine, nil
	case "ndjson":
		return jsonLine, nil
	case "influx":
		return influxLine, nil
	}
	return nil, echo.NewHTTPError(http.StatusUnsupportedMediaType,
		"Say what the lines are: Content-Type text/csv, application/x-ndjson or application/vnd.influx.line-protocol, or format=csv, ndjson or influx.")
}

// read takes line after line, stores as it goes, and returns when all is on disk.
func (in *ingest) read(ctx context.Context, body io.Reader, parse lineParser) error {
	lines := bufio.NewReaderSize(body, maxLine)
	in.answer.Errors = []lineError{}
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			in.refuse(n, fault.New(fault.Invalid, "The line is longer than %d bytes.", maxLine))
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = lines.ReadSlice('\n')
			}
			line = nil
		}
		if err != nil && err != io.EOF {
			return errors.Join(in.flush(), err)
		}
		in.line(n, line, parse)
		if in.waiting >= ingestBatch {
			if err := in.flush(); err != nil {
				return in.stopped(ctx, err)
			}
		}
		if err == io.EOF {
			break
		}
	}
	if err := in.flush(); err != nil {
		return in.stopped(ctx, err)
	}
	return in.s.db.Journal().Wait(ctx, in.lsn)
}

func (in *ingest) line(n int, line []byte, parse lineParser) {
	line = bytes.TrimRight(line, "\r\n")
	if n == 1 {
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	if !utf8.Valid(line) {
		in.refuse(n, fault.New(fault.Invalid, "The line is not valid UTF-8."))
		return
	}
	if err := parse(in, string(line)); err != nil {
		in.refuse(n, err)
	}
}

func (in *ingest) refuse(n int, err error) {
	in.answer.Failed++
	if len(in.answer.Errors) == maxLineErrors {
		return
	}
	message := err.Error()
	var f *fault.Error
	var m *MalformedError
	switch {
	case errors.As(err, &f):
		message = f.Message
	case errors.As(err, &m):
		m.Line = 0 // the caller knows it better
		message = m.Error()
	}
	in.answer.Errors = append(in.answer.Errors, lineError{n, message})
}

// put takes a point for a topic.
func (in *ingest) put(topic string, p Point) error {
	if topic == "" {
		topic = in.topic
	}
	if topic == "" {
		return fault.New(fault.Invalid, "The line names no topic.")
	}
	t := in.target(topic)
	if t.err != nil {
		return t.err
	}
	if len(t.points) == 0 {
		in.order = append(in.order, t)
	}
	t.points = append(t.points, p)
	in.waiting++
	return nil
}

// target returns the series of a topic, asking for permission the first time.
func (in *ingest) target(topic string) *target {
	if t := in.targets[topic]; t != nil {
		return t
	}
	t := &target{writer: writer{service: in.s, account: in.caller.AccountID, topic: topic, tally: in.s.tally(in.caller.AccountID)}}
	if len(in.targets) < maxTopics {
		in.targets[topic] = t
		t.err = in.s.mayWrite(in.caller, topic)
	} else {
		t.err = fault.New(fault.Invalid, "The request has more than %d topics; send several.", maxTopics)
	}
	return t
}

// mayWrite asks whether the caller may publish to the topic, and whether it is one whose points are kept. A topic of
// another account is unknown.
func (s *Service) mayWrite(p auth.Principal, topic string) error {
	if account, owned := accountOf(topic); owned && account != p.AccountID {
		return fault.New(fault.NotFound, "There is no time-series channel with the topic %q.", topic)
	}
	if s.writing == nil {
		return fault.New(fault.Forbidden, "Points are not taken over REST here.")
	}
	if err := s.writing.MayWrite(p, topic); err != nil {
		return err
	}
	if !s.channels.TimeSeries(p.AccountID, topic) {
		return fault.New(fault.NotFound, "There is no time-series channel with the topic %q.", topic)
	}
	return nil
}

// flush stores what is waiting in one journal batch.
func (in *ingest) flush() error {
	if in.waiting == 0 {
		return nil
	}
	b := in.s.db.Journal().Begin()
	defer b.End()
	var body block
	var err error
	for _, t := range in.order {
		body.reset()
		if err = t.writer.store(t.points, &body, b); err != nil {
			in.s.refused.Add(1)
			break // what is in the heads already must be in the journal: append it nevertheless
		}
		in.answer.Stored += len(t.points)
		t.writer.count(len(t.points))
		t.points = t.points[:0]
	}
	in.order, in.waiting = in.order[:0], 0
	if !b.Empty() {
		in.lsn = b.Append()
	}
	return err
}

// stopped is the answer when a limit ends the request: it says what is on disk, so that nobody sends that again.
func (in *ingest) stopped(ctx context.Context, cause error) error {
	var f *fault.Error
	if !errors.As(cause, &f) {
		return cause
	}
	if err := in.s.db.Journal().Wait(ctx, in.lsn); err != nil {
		return err
	}
	return &fault.Error{Kind: f.Kind, Cause: f.Cause, Message: fmt.Sprintf("%s The first %d points of this request are stored.", f.Message, in.answer.Stored)}
}

// csvLine reads timestamp,category,numericValue[,stringValue], the form of MQTT payloads; with no topic in the path a
// column topic comes first. A line of column names is left out.
func csvLine(in *ingest, line string) error {
	topic, rest := "", line
	if in.topic == "" {
		c, next, more := nextColumn(line, 0, len(line))
		if !more {
			return malformed(0, "one column only; topic,timestamp,category,numericValue,stringValue are expected")
		}
		topic, rest = c.text, line[next:]
	}
	if rest == csvHeader || strings.HasPrefix(rest, "timestamp,category,numericValue") {
		return nil
	}
	p, err := parseLine(rest, 0, len(rest), in.now)
	if err != nil {
		err.Offset += len(line) - len(rest)
		return err
	}
	return in.put(topic, p)
}

// jsonLine reads {"topic":…,"time":…,"category":…,"numericValue":…,"stringValue":…}, and the other JSON forms of MQTT
// payloads.
func jsonLine(in *ingest, line string) error {
	body := strings.TrimSpace(line)
	if body == "" || body[0] != '{' {
		return malformed(0, "not a JSON object")
	}
	members, err := splitObject(line)
	if err != nil {
		return err
	}
	topic := ""
	for i, m := range members {
		if m.name == "topic" && in.topic == "" {
			if topic, err = m.text(); err != nil {
				return err
			}
			members = append(members[:i:i], members[i+1:]...)
			break
		}
	}
	points, err := pointsOf(nil, line, members, in.now)
	if err != nil {
		return err
	}
	for _, p := range points {
		if err := in.put(topic, p); err != nil {
			return err
		}
	}
	return nil
}
