package search

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// column is one field of a kind's documents. A value is in one of its parts, by type: documents of different templates
// may give one name different types. Parts exist once they are needed.
type column struct {
	name    string
	truths  *numbers
	numbers *numbers
	times   *numbers
	texts   *texts
}

// set gives the slot a value, nil for none. See Doc.Fields for what is taken.
func (c *column) set(slot uint32, v any) {
	var truth, number, at uint64
	var text string
	switch v := v.(type) {
	case nil:
	case string:
		if ms, ok := parseISO(v); ok {
			at = timeKey(ms)
		} else {
			text = cleanText(v)
		}
	case bool:
		truth = boolKey(v)
	case float64:
		if !math.IsNaN(v) {
			number = numberKey(v)
		}
	case int:
		number = numberKey(float64(v))
	case int64:
		number = numberKey(float64(v))
	case json.Number:
		if f, err := v.Float64(); err == nil {
			number = numberKey(f)
		} else {
			text = cleanText(v.String())
		}
	case time.Time:
		if !v.IsZero() {
			at = timeKey(v.UnixMilli())
		}
	case []string:
		text = listText(v)
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = fmt.Sprint(v[i])
		}
		text = listText(items)
	default:
		text = cleanText(fmt.Sprint(v))
	}
	setNumber(&c.truths, slot, truth)
	setNumber(&c.numbers, slot, number)
	setNumber(&c.times, slot, at)
	if c.texts == nil && text != "" {
		c.texts = &texts{}
	}
	if c.texts != nil {
		c.texts.set(slot, text)
	}
}

func setNumber(p **numbers, slot uint32, key uint64) {
	if *p == nil {
		if key == 0 {
			return
		}
		*p = &numbers{}
	}
	(*p).set(slot, key)
}

// cleanText keeps the byte that marks lists out of texts.
func cleanText(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		return strings.ReplaceAll(s, "\x00", " ")
	}
	return s
}

func listText(items []string) string {
	clean := make([]string, 0, len(items))
	for _, s := range items {
		if s = cleanText(s); s != "" {
			clean = append(clean, s)
		}
	}
	if len(clean) == 0 {
		return ""
	}
	return listKey(clean)
}

// value returns what the slot has, in the types that set takes: nil, bool, float64, string (a time in its ISO form) or
// []string.
func (c *column) value(slot uint32) any {
	if key := c.truths.key(slot); key != 0 {
		return key == trueKey
	}
	if key := c.numbers.key(slot); key != 0 {
		return keyNumber(key)
	}
	if key := c.times.key(slot); key != 0 {
		return timeText(key)
	}
	if c.texts == nil {
		return nil
	}
	n := c.texts.of.at(slot)
	if n == 0 {
		return nil
	}
	raw := c.texts.values[n].raw
	if isList(raw) {
		return strings.Split(raw[1:], "\x00")
	}
	return raw
}

// key is 0 for a part that does not exist.
func (p *numbers) key(slot uint32) uint64 {
	if p == nil {
		return 0
	}
	return p.of.at(slot)
}

// present adds the slots that have a value of any type.
func (c *column) present(out bitset) {
	for _, p := range c.numeric() {
		p.of.present(out)
	}
	if c.texts != nil {
		c.texts.of.present(out)
	}
}

// numeric returns the parts with keys that exist.
func (c *column) numeric() []*numbers {
	all := []*numbers{c.truths, c.numbers, c.times}
	return slices.DeleteFunc(all, func(p *numbers) bool { return p == nil })
}

// inOrder returns runs of slots that together are all that have a value: false and true, numbers, times, texts, each
// ascending, equals in the order of the table.
func (c *column) inOrder(t *table) [][]uint32 {
	var runs [][]uint32
	for _, p := range c.numeric() {
		runs = append(runs, p.order.tidy(numberOrder{t, p}))
	}
	if c.texts != nil {
		runs = append(runs, c.texts.order.tidy(textOrder{t, c.texts}))
	}
	return runs
}
