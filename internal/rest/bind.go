package rest

import (
	"encoding"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
)

// Bind reads the body as Body does and puts it into the struct dst points to, by the fields' json tags (exact case).
// Unknown keys are ignored and null leaves a field alone: old clients send whole objects back. Numbers and booleans may
// come as strings, as forms have nothing else. Types with UnmarshalJSON or UnmarshalText read themselves.
// A value of the wrong type is Invalid with the field's path, such as "channels[2].name".
func Bind(c echo.Context, dst any) error {
	object, err := Body(c)
	if err != nil {
		return err
	}
	return Decode(object, dst)
}

// Decode is Bind for an object that Body has read already.
func Decode(object map[string]any, dst any) error {
	return decodeStruct(reflect.ValueOf(dst).Elem(), object, "")
}

func decodeStruct(dst reflect.Value, object map[string]any, path string) error {
	t := dst.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
			if err := decodeStruct(dst.Field(i), object, path); err != nil {
				return err
			}
			continue
		}
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		if v, ok := object[name]; ok {
			if err := decodeValue(dst.Field(i), v, keyPath(path, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func decodeValue(dst reflect.Value, v any, path string) error {
	if done, err := decodeSelf(dst, v, path); done {
		return err
	}
	if v == nil {
		return nil
	}
	switch dst.Kind() {
	case reflect.Pointer:
		p := reflect.New(dst.Type().Elem())
		if err := decodeValue(p.Elem(), v, path); err != nil {
			return err
		}
		dst.Set(p)
		return nil
	case reflect.Interface:
		dst.Set(reflect.ValueOf(v))
		return nil
	case reflect.Struct:
		object, ok := v.(map[string]any)
		if !ok {
			return fault.Field(path, "This must be an object.")
		}
		return decodeStruct(dst, object, path)
	case reflect.Slice:
		return decodeSlice(dst, v, path)
	case reflect.Map:
		return decodeMap(dst, v, path)
	}
	return decodeScalar(dst, v, path)
}

// decodeSelf lets types that know their own form read it; null reaches only UnmarshalJSON, so that a type can tell
// "set to nothing" from "not sent".
func decodeSelf(dst reflect.Value, v any, path string) (done bool, err error) {
	if !dst.CanAddr() || dst.Kind() == reflect.Pointer {
		return false, nil
	}
	switch u := dst.Addr().Interface().(type) {
	case *json.Number:
		return false, nil
	case json.Unmarshaler:
		data, err := json.Marshal(v)
		if err == nil {
			err = u.UnmarshalJSON(data)
		}
		if err != nil {
			return true, &fault.Error{Kind: fault.Invalid, Field: path, Message: "This value is not of the right form.", Cause: err}
		}
		return true, nil
	case encoding.TextUnmarshaler:
		text, ok := v.(string)
		if !ok {
			return v != nil, fault.Field(path, "This must be a string.")
		}
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return true, &fault.Error{Kind: fault.Invalid, Field: path, Message: "This value is not of the right form.", Cause: err}
		}
		return true, nil
	}
	return false, nil
}

func decodeSlice(dst reflect.Value, v any, path string) error {
	array, ok := v.([]any)
	if !ok {
		return fault.Field(path, "This must be an array.")
	}
	s := reflect.MakeSlice(dst.Type(), len(array), len(array))
	for i, e := range array {
		if err := decodeValue(s.Index(i), e, indexPath(path, i)); err != nil {
			return err
		}
	}
	dst.Set(s)
	return nil
}

func decodeMap(dst reflect.Value, v any, path string) error {
	object, ok := v.(map[string]any)
	if !ok {
		return fault.Field(path, "This must be an object.")
	}
	m := reflect.MakeMapWithSize(dst.Type(), len(object))
	for key, e := range object {
		elem := reflect.New(dst.Type().Elem()).Elem()
		if err := decodeValue(elem, e, keyPath(path, key)); err != nil {
			return err
		}
		m.SetMapIndex(reflect.ValueOf(key).Convert(dst.Type().Key()), elem)
	}
	dst.Set(m)
	return nil
}

func decodeScalar(dst reflect.Value, v any, path string) error {
	if dst.Type() == reflect.TypeFor[json.Number]() {
		return decodeNumber(dst, v, path)
	}
	switch dst.Kind() {
	case reflect.String:
		s, ok := v.(string)
		if !ok {
			return fault.Field(path, "This must be a string.")
		}
		dst.SetString(s)
	case reflect.Bool:
		b, ok := Bool(v)
		if !ok {
			return fault.Field(path, "This must be true or false.")
		}
		dst.SetBool(b)
	case reflect.Float32, reflect.Float64:
		f, ok := Float(v)
		if !ok || dst.OverflowFloat(f) {
			return fault.Field(path, "This must be a number.")
		}
		dst.SetFloat(f)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, ok := Int(v)
		if !ok || dst.OverflowInt(i) {
			return fault.Field(path, "This must be a whole number in range.")
		}
		dst.SetInt(i)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		i, ok := Int(v)
		if !ok || i < 0 || dst.OverflowUint(uint64(i)) {
			return fault.Field(path, "This must be a whole number in range.")
		}
		dst.SetUint(uint64(i))
	default:
		panic("rest: Bind into a field of kind " + dst.Kind().String() + " at " + path)
	}
	return nil
}

func decodeNumber(dst reflect.Value, v any, path string) error {
	text, ok := numberText(v)
	if _, isFloat := Float(v); !ok || !isFloat {
		return fault.Field(path, "This must be a number.")
	}
	dst.SetString(text)
	return nil
}

// Bool reads a JSON boolean or its text, as forms send it.
func Bool(v any) (b, ok bool) {
	switch v {
	case true, "true", "1":
		return true, true
	case false, "false", "0":
		return false, true
	}
	return false, false
}

// Float reads a JSON number or its text; not NaN, not infinite.
func Float(v any) (f float64, ok bool) {
	text, ok := numberText(v)
	if !ok || strings.ContainsAny(text, "xX_") { // Go's spellings, nobody else's
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

// Int reads a JSON number or its text that is whole; "5.0" and "1e3" are, as some encoders write them.
func Int(v any) (i int64, ok bool) {
	text, ok := numberText(v)
	if !ok {
		return 0, false
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, true
	}
	f, ok := Float(v)
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

func numberText(v any) (string, bool) {
	switch n := v.(type) {
	case json.Number:
		return n.String(), true
	case string:
		return strings.TrimSpace(n), true
	}
	return "", false
}
