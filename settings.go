package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// A setting is one leaf of Config. File, environment and flags all set it through its text, so that a key means the
// same everywhere and exists once.
type setting struct {
	key    string // listen.mqtt
	value  reflect.Value
	secret bool // may also be given as <key>_file, the name of a file that holds it
}

// settings lists cfg's leaves in declaration order. Setting one changes cfg.
func settings(cfg *Config) []setting {
	return appendSettings(nil, "", reflect.ValueOf(cfg).Elem())
}

func appendSettings(list []setting, prefix string, v reflect.Value) []setting {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || f.Tag.Get("yaml") == "-" {
			continue
		}
		key := prefix + first(f.Tag.Get("yaml"), snakeCase(f.Name))
		switch {
		case f.Anonymous: // a module's own Config with something of ours beside it
			list = appendSettings(list, prefix, v.Field(i))
		case f.Type.Kind() == reflect.Struct:
			list = appendSettings(list, key+".", v.Field(i))
		default:
			list = append(list, setting{key, v.Field(i), f.Tag.Get("secret") == "true"})
		}
	}
	return list
}

// snakeCase turns a field name into a key: MaxPacketBytes → max_packet_bytes, TLS → tls, EABKeyID → eab_key_id,
// AcceptTOS → accept_tos, MQTTS → mqtts. Where that reads badly, a yaml tag says the key.
func snakeCase(name string) string {
	r := []rune(name)
	var b strings.Builder
	for i, c := range r {
		if i > 0 && unicode.IsUpper(c) && (!unicode.IsUpper(r[i-1]) || i+1 < len(r) && unicode.IsLower(r[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// env returns the environment variable's name: XIVELY_LISTEN_MQTT.
func (s setting) env() string {
	return "XIVELY_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// set parses text into the setting. The error does not repeat the key.
func (s setting) set(text string) error {
	switch p := s.value.Addr().Interface().(type) {
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 90s, 15m or 24h", text)
		}
		*p = d
		return nil
	case *[]string:
		*p = nil
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				*p = append(*p, part)
			}
		}
		return nil
	}
	switch s.value.Kind() {
	case reflect.String:
		s.value.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is not true or false", text)
		}
		s.value.SetBool(text == "true")
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", text)
		}
		s.value.SetFloat(f)
	default:
		return s.setInteger(text)
	}
	return nil
}

// setInteger accepts sizes as 262144 or 256KiB.
func (s setting) setInteger(text string) error {
	digits, unit := text, int64(1)
	for suffix, size := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if d, ok := strings.CutSuffix(text, suffix); ok {
			digits, unit = strings.TrimSpace(d), size
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return fmt.Errorf("%q is not a whole number (sizes also as 64KiB, 8MiB, 1GiB)", text)
	}
	product := n * unit
	if product/unit != n {
		return fmt.Errorf("%s is too large", text)
	}
	if s.value.CanInt() && !s.value.OverflowInt(product) {
		s.value.SetInt(product)
		return nil
	}
	if s.value.CanUint() && product >= 0 && !s.value.OverflowUint(uint64(product)) {
		s.value.SetUint(uint64(product))
		return nil
	}
	return fmt.Errorf("%s is out of range", text)
}

// setFromFile sets a secret to the content of a file, without the line end an editor leaves.
func (s setting) setFromFile(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return s.set(strings.TrimRight(string(text), "\r\n"))
}

// text is the reverse of set.
func (s setting) text() string {
	if list, ok := s.value.Interface().([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(s.value.Interface())
}

// loadConfig returns the defaults changed by the YAML file (when path is not ""), then by the environment (pairs as
// in os.Environ), then by flags ("key=value"). The result is not yet validated. unused are variables that look like
// settings and are none, for a warning: a container platform may add such itself.
func loadConfig(path string, environ, flags []string) (cfg Config, unused []string, err error) {
	cfg = defaultConfig()
	byKey, byEnv := map[string]setting{}, map[string]setting{}
	for _, s := range settings(&cfg) {
		byKey[s.key], byEnv[s.env()] = s, s
	}
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return cfg, nil, fmt.Errorf("configuration: %w", err)
		}
		if err := readYAML(text, byKey); err != nil {
			return cfg, nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	for _, pair := range environ {
		name, text, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "XIVELY_") || clientVariables[name] {
			continue
		}
		s, ok := byEnv[name]
		load := s.set
		if !ok {
			s, ok = byEnv[strings.TrimSuffix(name, "_FILE")]
			ok = ok && s.secret
			load = s.setFromFile
		}
		if !ok {
			unused = append(unused, name)
		} else if err := load(text); err != nil {
			return cfg, nil, fmt.Errorf("environment variable %s: %w", name, err)
		}
	}
	for _, pair := range flags {
		key, text, found := strings.Cut(pair, "=")
		s, ok := byKey[key]
		if !found || !ok {
			return cfg, nil, fmt.Errorf("--set %s: want key=value with a key of config.example.yaml%s", pair, suggestion(key, byKey))
		}
		if err := s.set(text); err != nil {
			return cfg, nil, fmt.Errorf("--set %s: %w", key, err)
		}
	}
	return cfg, unused, nil
}

// clientVariables are read by the commands that talk to a server, and by serve for the file's name.
var clientVariables = map[string]bool{
	"XIVELY_CONFIG": true, "XIVELY_SERVER": true, "XIVELY_CA": true, "XIVELY_PASSWORD": true,
	"XIVELY_MQTT_USERNAME": true, "XIVELY_MQTT_PASSWORD": true,
}

// readYAML applies one document. Whatever is not understood is refused with its line: an unknown or repeated key, a
// value of the wrong kind, a key without value, a second document. A file of comments only changes nothing; an empty
// one is refused, because it is what a failed write leaves.
func readYAML(text []byte, byKey map[string]setting) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return errors.New("the file is empty: write at least a comment, or start without it")
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := dec.Decode(&doc); err == io.EOF {
		return nil
	} else if err != nil {
		return yamlError(err)
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil
	}
	if err := applyMapping(root, "", byKey, map[string]int{}); err != nil {
		return err
	}
	if err := dec.Decode(new(yaml.Node)); err != io.EOF {
		return errors.New("more than one YAML document: the settings must stand in one")
	}
	return nil
}

func yamlError(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
}

func applyMapping(n *yaml.Node, prefix string, byKey map[string]setting, lines map[string]int) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: %swant \"key: value\" lines", n.Line, colon(strings.TrimSuffix(prefix, ".")))
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		key := prefix + name.Value
		s, known := byKey[key]
		set := applyValue
		if !known {
			s, known = byKey[strings.TrimSuffix(key, "_file")]
			known = known && s.secret
			set = applyFile
		}
		var err error
		switch {
		case known:
			// A secret and its _file are one setting: giving both would leave it to chance which counts.
			if line := lines[s.key]; line != 0 {
				return fmt.Errorf("line %d: %s is set on line %d already", name.Line, key, line)
			}
			lines[s.key] = name.Line
			err = set(value, s)
		case isGroup(key, byKey):
			if line := lines[key]; line != 0 {
				return fmt.Errorf("line %d: %s is set on line %d already", name.Line, key, line)
			}
			lines[key] = name.Line
			if err := applyMapping(value, key+".", byKey, lines); err != nil {
				return err
			}
		default:
			err = fmt.Errorf("unknown setting%s", suggestion(key, byKey))
		}
		if err != nil {
			return fmt.Errorf("line %d: %s: %w", name.Line, key, err)
		}
	}
	return nil
}

func applyValue(n *yaml.Node, s setting) error {
	_, list := s.value.Interface().([]string)
	switch {
	case n.Kind == yaml.SequenceNode && list:
		var items []string
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode || item.Tag == "!!null" || strings.Contains(item.Value, ",") {
				return errors.New("want a list of plain texts")
			}
			items = append(items, item.Value)
		}
		return s.set(strings.Join(items, ","))
	case n.Kind != yaml.ScalarNode:
		return errors.New("want a single value")
	case n.Tag == "!!null":
		return errors.New(`no value: write "" for none`)
	}
	return s.set(n.Value)
}

func applyFile(n *yaml.Node, s setting) error {
	if n.Kind != yaml.ScalarNode || n.Value == "" {
		return errors.New("want the name of a file")
	}
	return s.setFromFile(n.Value)
}

func isGroup(key string, byKey map[string]setting) bool {
	for k := range byKey {
		if strings.HasPrefix(k, key+".") {
			return true
		}
	}
	return false
}

// suggestion returns ", did you mean listen.mqtt?" for a key that is nearly one, or "".
func suggestion(key string, byKey map[string]setting) string {
	best, distance := "", 3
	for k := range byKey {
		if len(key) > len(k)+distance {
			continue // cannot be near, and may be very long
		}
		if d := editDistance(key, k); d < distance || d == distance && k < best {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return ", did you mean " + best + "?"
}

// editDistance counts the single-character edits between a and b (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func colon(s string) string {
	if s == "" {
		return ""
	}
	return s + ": "
}

// decodeBase64 takes base64url with or without padding, as ACME authorities hand keys out.
func decodeBase64(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}
