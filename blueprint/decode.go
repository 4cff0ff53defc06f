package blueprint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Objects are stored as encoding/json writes them. A start reads all of them to make the index, and most of what that took
// was json.Unmarshal finding out each time what stands where. decoder reads just that form, and leaves whatever it does
// not expect to json.Unmarshal: an object reads the same either way, which a fuzz test holds it to.

// decode reads a stored object.
func decode(value []byte) (*object, error) {
	var d decoder
	return d.decode(value)
}

// decoder reads stored objects. One that reads many shares their common texts: names of fields, ids of accounts.
type decoder struct {
	shared map[string]string // nil to share nothing
	b      []byte
	at     int
}

const mostShared = 10_000

func (d *decoder) decode(value []byte) (*object, error) {
	o := new(object)
	d.b, d.at = value, 0
	if d.object(o) && d.at == len(value) {
		return o, nil
	}
	return decodeAny(value)
}

// decodeAny reads an object in any form of JSON.
func decodeAny(value []byte) (*object, error) {
	o := new(object)
	if err := json.Unmarshal(value, o); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	for name, v := range o.Values {
		if array, ok := v.([]any); ok {
			o.Values[name] = texts(array)
		}
	}
	return o, nil
}

// members reads {"name":…,…}; value reads what is behind a colon. All of these report whether they understood.
func (d *decoder) members(value func(name string) bool) bool {
	if !d.take('{') {
		return false
	}
	if d.take('}') {
		return true
	}
	for {
		name, ok := d.text(true)
		if !ok || !d.take(':') || !value(name) {
			return false
		}
		if d.take('}') {
			return true
		}
		if !d.take(',') {
			return false
		}
	}
}

func (d *decoder) object(o *object) bool {
	return d.members(func(name string) (ok bool) {
		switch name {
		case "id":
			o.ID, ok = d.text(false)
		case "account":
			o.AccountID, ok = d.text(true)
		case "created":
			o.Created, ok = d.integer()
		case "createdBy":
			o.CreatedBy, ok = d.text(true)
		case "modified":
			o.Modified, ok = d.integer()
		case "modifiedBy":
			o.ModifiedBy, ok = d.text(true)
		case "revision":
			var n int64
			n, ok = d.integer()
			o.Revision = uint64(n)
		case "deleted":
			o.Deleted, ok = d.integer()
		case "deletedWith":
			o.DeletedWith, ok = d.text(false)
		case "values":
			if o.Values != nil {
				return false // twice
			}
			o.Values = make(map[string]any, 24)
			ok = d.members(func(name string) bool {
				v, ok := d.value()
				o.Values[name] = v
				return ok
			})
		}
		return ok
	})
}

func (d *decoder) value() (any, bool) {
	if d.at >= len(d.b) {
		return nil, false
	}
	switch c := d.b[d.at]; {
	case c == '"':
		return d.text(false)
	case c == '[':
		return d.list()
	case c == 't':
		return true, d.word("true")
	case c == 'f':
		return false, d.word("false")
	case c == '-' || '0' <= c && c <= '9':
		begin := d.at
		for d.at < len(d.b) && bytes.IndexByte([]byte("+-.eE0123456789"), d.b[d.at]) >= 0 {
			d.at++
		}
		// What json.Unmarshal would not take, such as 01, was not written by json.Marshal.
		n, err := strconv.ParseFloat(string(d.b[begin:d.at]), 64)
		return n, err == nil && json.Valid(d.b[begin:d.at])
	}
	return nil, false
}

func (d *decoder) list() ([]string, bool) {
	d.at++
	all := []string{}
	if d.take(']') {
		return all, true
	}
	for {
		s, ok := d.text(false)
		if !ok {
			return nil, false
		}
		all = append(all, s)
		if d.take(']') {
			return all, true
		}
		if !d.take(',') {
			return nil, false
		}
	}
}

// text reads a string without escapes.
func (d *decoder) text(share bool) (string, bool) {
	if !d.take('"') {
		return "", false
	}
	begin := d.at
	for ; d.at < len(d.b); d.at++ {
		switch c := d.b[d.at]; {
		case c == '"':
			raw := d.b[begin:d.at]
			d.at++
			if share && d.shared != nil {
				return d.common(raw), true
			}
			return string(raw), true
		case c == '\\' || c < ' ' || c >= 0x80: // json.Unmarshal looks at what is no UTF-8
			return d.odd(begin)
		}
	}
	return "", false
}

// odd reads a string that has more than plain ASCII.
func (d *decoder) odd(begin int) (s string, ok bool) {
	for ; d.at < len(d.b) && d.b[d.at] != '"'; d.at++ {
		if d.b[d.at] == '\\' {
			d.at++
		}
	}
	if d.at >= len(d.b) {
		return "", false
	}
	d.at++
	err := json.Unmarshal(d.b[begin-1:d.at], &s)
	return s, err == nil
}

func (d *decoder) common(raw []byte) string {
	if s, known := d.shared[string(raw)]; known {
		return s
	}
	s := string(raw)
	if len(d.shared) < mostShared {
		d.shared[s] = s
	}
	return s
}

func (d *decoder) integer() (int64, bool) {
	begin := d.at
	for d.at < len(d.b) && '0' <= d.b[d.at] && d.b[d.at] <= '9' {
		d.at++
	}
	if d.at == begin || d.b[begin] == '0' && d.at > begin+1 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(d.b[begin:d.at]), 10, 64)
	return n, err == nil
}

func (d *decoder) take(c byte) bool {
	if d.at < len(d.b) && d.b[d.at] == c {
		d.at++
		return true
	}
	return false
}

func (d *decoder) word(s string) bool {
	if bytes.HasPrefix(d.b[d.at:], []byte(s)) {
		d.at += len(s)
		return true
	}
	return false
}
