package timeseries

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest"
	"xively/storage"
)

// Limits of a query for several series.
const (
	maxSeries  = 1000
	maxNames   = 100_000 // looked through for a selection
	maxResults = 200_000 // points or rows, over all series
)

// Describer knows whose a topic is.
type Describer interface {
	// Describe returns ids of the device, its template and its organization ("" for none) and the channel's name; ok is
	// false when topic is no channel of a device that exists in the account.
	Describe(account, topic string) (c Channel, ok bool)
}

// Finder looks for devices as people do.
type Finder interface {
	// FindDevices returns the ids of devices that a query of the directory's language finds among those the caller may
	// read, and how many there are; most of them come back. Errors: faults that go to the caller.
	FindDevices(p auth.Principal, query string, most int) (ids []string, total int, err error)
}

// UseFinder lets queries name series by a search for their devices.
func (s *Service) UseFinder(f Finder) { s.finder = f }

// Channel is what a topic belongs to.
type Channel struct{ DeviceID, DeviceTemplateID, OrganizationID, Name string }

// selection names series by what their devices are. Empty members do not restrict.
type selection struct {
	devices, channels      []string
	organization, template string
}

func (sel *selection) none() bool {
	return len(sel.devices) == 0 && sel.organization == "" && sel.template == ""
}

func (sel *selection) has(c Channel) bool {
	return (len(sel.devices) == 0 || slices.Contains(sel.devices, c.DeviceID)) &&
		(len(sel.channels) == 0 || slices.Contains(sel.channels, c.Name)) &&
		(sel.organization == "" || sel.organization == c.OrganizationID) &&
		(sel.template == "" || sel.template == c.DeviceTemplateID)
}

func (s *Service) getQuery(c echo.Context) error { return s.queryMany(c, c.QueryParams()) }

// postQuery takes the parameters of getQuery as members of an object; several values are an array.
func (s *Service) postQuery(c echo.Context) error {
	object, err := rest.Body(c)
	if err != nil {
		return err
	}
	values := url.Values{}
	for key, v := range object {
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, x := range list {
			switch x.(type) {
			case nil:
			case []any, map[string]any:
				return fault.Field(key, "This must be text, a number, or an array of them.")
			default:
				values.Add(key, fmt.Sprint(x))
			}
		}
	}
	return s.queryMany(c, values)
}

// queryMany answers {"meta":{"timeSpent":…,"count":…},"series":[{"topic":…,"meta":…,"result":[…]},…]}. A series without
// data in the range has an empty result; one that the caller may not read is an error.
func (s *Service) queryMany(c echo.Context, values url.Values) error {
	began := time.Now()
	q, err := ParseQuery(values)
	if err != nil {
		return err
	}
	v, err := parseView(values)
	if err != nil {
		return err
	}
	latest, err := boolOf(values, "latest")
	switch {
	case err != nil:
		return err
	case v.format != "":
		return fault.Field("format", "Several series come as JSON only.")
	case q.Token != "":
		return fault.Field("pagingToken", "Only a single series is paged.")
	case latest && (len(q.Aggregate) > 0 || q.Points > 0):
		return fault.Field("latest", "The latest points come as they are; leave out interval and points.")
	case latest && !values.Has("pageSize"):
		q.PageSize = 1
	}
	caller := rest.Caller(c)
	topics, err := s.topics(caller, values)
	if err != nil {
		return err
	}
	q.Account, q.Newest = caller.AccountID, latest
	ctx, cancel := context.WithTimeout(c.Request().Context(), readTimeout)
	defer cancel()
	j := newAnswer(v)
	defer j.release()
	j.buf = append(j.buf, `{"series":[`...)
	total := 0
	for i, topic := range topics {
		if i > 0 {
			j.buf = append(j.buf, ',')
		}
		j.buf = appendString(append(j.buf, `{"topic":`...), topic)
		q.Topic = topic
		n, err := s.answer(ctx, j, q, false, time.Now())
		if err != nil {
			return err
		}
		if n == 0 && len(q.Aggregate) == 0 && q.Points == 0 {
			j.points(nil, "", 0)
		}
		if total += n; total > maxResults {
			return fault.New(fault.Unprocessable, "This would be more than %d results; ask for fewer series, a longer interval or a shorter range.", maxResults)
		}
		j.buf = append(j.buf, '}')
	}
	j.buf = append(j.buf, `],"meta":{"timeSpent":`...)
	j.buf = strconv.AppendInt(j.buf, time.Since(began).Milliseconds(), 10)
	j.buf = append(j.buf, `,"count":`...)
	j.buf = append(strconv.AppendInt(j.buf, int64(len(topics)), 10), '}')
	return j.send(c)
}

func boolOf(values url.Values, name string) (bool, error) {
	s := values.Get(name)
	if s == "" {
		return false, nil
	}
	b, ok := rest.Bool(s)
	if !ok {
		return false, fault.Field(name, "This must be true or false.")
	}
	return b, nil
}

// topics returns the topics that are asked for: by name, or by device, organization or template and channel. Of the
// latter only those with data, and only those the caller may read.
func (s *Service) topics(p auth.Principal, values url.Values) ([]string, error) {
	topics := values["topic"]
	for _, topic := range topics {
		if err := s.mayRead(p, topic); err != nil {
			return nil, err
		}
	}
	sel := selection{devices: values["deviceId"], channels: values["channel"], organization: values.Get("organizationId"),
		template: values.Get("deviceTemplateId")}
	if q := values.Get("q"); q != "" {
		found, err := s.searched(p, q, &sel)
		if !found || err != nil {
			return topics, err
		}
	}
	switch {
	case sel.none() && len(topics) == 0:
		return nil, fault.Field("topic", "Name the series by topic, deviceId, organizationId, deviceTemplateId or q.")
	case !sel.none() && s.describer == nil:
		return nil, fault.Field("topic", "Series can be named by topic only here.")
	case !sel.none():
		found, err := s.find(p, &sel)
		if err != nil {
			return nil, err
		}
		topics = append(topics, found...)
	}
	if len(topics) > maxSeries {
		return nil, fault.New(fault.Unprocessable, "This would be more than %d series; name fewer, or some of their channels.", maxSeries)
	}
	return topics, nil
}

// searched restricts sel to the devices that a search finds; false when there is none.
func (s *Service) searched(p auth.Principal, query string, sel *selection) (found bool, err error) {
	if s.finder == nil {
		return false, fault.Field("q", "Devices cannot be searched here.")
	}
	ids, total, err := s.finder.FindDevices(p, query, maxSeries)
	switch {
	case err != nil:
		return false, err
	case total > maxSeries:
		return false, fault.New(fault.Unprocessable, "The search finds %d devices; at most %d can be asked about at once.", total, maxSeries)
	case len(sel.devices) > 0:
		ids = slices.DeleteFunc(ids, func(id string) bool { return !slices.Contains(sel.devices, id) })
	}
	sel.devices = ids
	return len(ids) > 0, nil
}

// find looks through the directory, through the part of the devices named if there are some.
func (s *Service) find(p auth.Principal, sel *selection) (topics []string, err error) {
	root := "xi/blue/v1/" + p.AccountID + "/d/"
	prefixes := []string{root}
	if len(sel.devices) > 0 {
		prefixes = nil
		for _, id := range sel.devices {
			prefixes = append(prefixes, root+id+"/")
		}
	}
	seen := 0
	for _, prefix := range prefixes {
		err := s.engine.names(p.AccountID, prefix, func(topic string) bool {
			seen++
			c, ok := s.describer.Describe(p.AccountID, topic)
			if ok && sel.has(c) && s.mayRead(p, topic) == nil {
				topics = append(topics, topic)
			}
			return seen < maxNames && len(topics) <= maxSeries
		})
		if err != nil {
			return nil, err
		}
		if seen >= maxNames {
			return nil, fault.New(fault.Unprocessable, "The account has more than %d series, too many to look through; name the devices.", maxNames)
		}
	}
	return topics, nil
}

// names calls yield with the topics of an account's series that begin with prefix, until it returns false.
func (e *engine) names(account, prefix string, yield func(topic string) bool) error {
	key := seriesKey(account, prefix)
	from := bytes.Clone(key)
	told := map[string]bool{} // may come into the directory meanwhile
	for _, name := range e.freshSorted(string(key)) {
		told[name] = true
		if !yield(name[len(account)+1:]) {
			return nil
		}
	}
	for from != nil {
		var names []string // a view is not held while yield looks elsewhere
		err := e.db.View(func(tx *storage.Tx) error {
			for k := range tx.Bucket(seriesBucket).Scan(from, nil) {
				if !bytes.HasPrefix(k, key) {
					break
				}
				if names = append(names, string(k)); len(names) == 1000 {
					break
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, name := range names {
			if told[name] {
				continue
			}
			if !yield(name[len(account)+1:]) {
				return nil
			}
		}
		from = nil
		if len(names) == 1000 {
			from = append([]byte(names[999]), 0)
		}
	}
	return nil
}
