package logging

import (
	"slices"
	"testing"
)

func TestSuggest(t *testing.T) {
	w := newWorld(t)
	w.publish(t, `{"message":"hot","severity":"error","code":400,"tags":["fan"],"custom":{"level":3}}`)
	w.publish(t, `{"message":"hot","severity":"error","code":410,"tags":["fan","left side"]}`)
	w.checkpoint(t)
	w.publish(t, `{"message":"hot","severity":"warning","code":410}`)
	for _, c := range []struct {
		text     string
		cursor   int
		want     []string
		from, to int
	}{
		{"sev", 3, []string{"severity:", "severity>="}, 0, 3},
		{"severity:e", 10, []string{"severity:emergency", "severity:error"}, 0, 10},
		{"severity>=w", 11, []string{"severity>=warning"}, 0, 11},
		{"hot -code:", 10, []string{"-code:410", "-code:400"}, 4, 10},
		{"tag:", 4, []string{"tag:fan", `tag:"left side"`}, 0, 4},
		{`tag:"left s`, 11, []string{`tag:"left side"`}, 0, 11},
		{"custom.l", 8, []string{"custom.level:"}, 0, 8},
		{"code:4 hot", 6, []string{"code:410", "code:400"}, 0, 6},
		{"device:AP", 9, []string{"device:AP-000001"}, 0, 9},
		{"since:1", 7, []string{"since:15m", "since:1h"}, 0, 7},
		{"nonsense:", 9, nil, 0, 9},
	} {
		hints, err := w.Suggest(t.Context(), account, c.text, c.cursor)
		var texts []string
		for _, h := range hints {
			texts = append(texts, h.Text)
			if h.From != c.from || h.To != c.to {
				t.Errorf("%q: in place of [%d, %d), want [%d, %d)", c.text, h.From, h.To, c.from, c.to)
			}
		}
		if err != nil || !slices.Equal(texts, c.want) {
			t.Errorf("%q: %q, %v; want %q", c.text, texts, err, c.want)
		}
	}
	if hints, _ := w.Suggest(t.Context(), account, "code:410", 8); len(hints) != 1 || hints[0].Count != 2 {
		t.Errorf("%+v", hints)
	}
	if hints, _ := w.Suggest(t.Context(), other, "code:", 5); len(hints) != 0 {
		t.Errorf("another account sees %+v", hints)
	}
}
