package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Validator turns a value from a file or the command line into the setting's value, or says why not.
//
// The messages are those Gunicorn users meet and grep for; the verdicts are compared with Gunicorn's in testdata.
type Validator struct {
	Name    string // Gunicorn's name for it
	Allowed string // what is accepted, for error messages and the reference
	Verdict func(any) (any, error)
}

var errNotIterable = errors.New("Value is not a list of strings")

var (
	AnyBool   = Validator{"validate_bool", "True or False", checkBool}
	AnyDict   = Validator{"validate_dict", "a dictionary", checkDict}
	posInt    = Validator{"validate_pos_int", "an integer of 0 or more", checkPosInt}
	anyString = Validator{"validate_string", "a string or None", checkString}
	ListText  = Validator{"validate_list_string", "a string or a list of strings", checkStringList}
	CommaText = Validator{"validate_string_to_list", "a string of names with commas between", checkCommaList}

	HeaderMap   = oneOf("validate_header_map_behaviour", "Invalid header map behaviour: %s", nil, "drop", "refuse", "dangerous")
	httpParser  = oneOf("validate_http_parser", "http_parser must be one of: auto, fast, python: %s", "auto", "auto", "fast", "python")
	asgiLoop    = oneOf("validate_asgi_loop", "Invalid ASGI loop: %s", "auto", "auto", "asyncio", "uvloop")
	asgiLife    = oneOf("validate_asgi_lifespan", "Invalid ASGI lifespan: %s", "auto", "auto", "on", "off")
	streamLimit = intRange("validate_http2_stream_limit", "HTTP/2 max concurrent streams must be at least 1: %d", 1, 1<<62)
	windowSize  = intRange("validate_http2_window_size", "HTTP/2 window size must be at most 2147483647: %d", 0, 1<<31-1)
	frameSize   = intRange("validate_http2_frame_size", "http2_max_frame_size must be between 16384 and 16777215, got %d", 16384, 1<<24-1)
)

// Normalise turns what encoding/json or Go code supplies into the types validators know: nil, bool, int, float64,
// string, []any, map[string]any. A float64 with a whole value is taken for an int, because encoding/json without
// UseNumber gives nothing else; with UseNumber 4 and 4.0 are told apart, as Gunicorn does.
func Normalise(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.Atoi(v.String()); err == nil {
			return n
		}
		f, _ := v.Float64()
		return Float(f)
	case float64:
		if v == float64(int(v)) {
			return int(v)
		}
		return Float(v)
	case int64:
		return int(v)
	case []string:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = item
		}
		return list
	}
	return v
}

// Float keeps 4.0 a float on its way through the validators.
type Float float64

func (f Float) String() string { return Repr(float64(f)) }

func checkBool(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool:
		return v, nil
	case string:
		switch strings.ToLower(Strip(v)) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, fmt.Errorf("Invalid boolean: %s", v)
	}
	return nil, fmt.Errorf("Invalid type for casting: %s", Str(v))
}

func checkDict(v any) (any, error) {
	if dict, ok := v.(map[string]any); ok && dict["__repr__"] == nil {
		return dict, nil
	}
	return nil, fmt.Errorf("Value is not a dictionary: %s", Str(v))
}

// toInt is what Gunicorn's integer validators do first: ints and bools as they are, strings through int(v, 0).
func toInt(v any) (int, error) {
	switch v := v.(type) {
	case int:
		return v, nil
	case bool:
		if v {
			return 1, nil
		}
		return 0, nil
	case string:
		if n, ok := ReadInt(v, 0); ok {
			return n, nil
		}
		return 0, fmt.Errorf("invalid literal for int() with base 0: %s", ReprText(v))
	}
	return 0, fmt.Errorf("Value is not an integer: %s", Str(v))
}

func checkPosInt(v any) (any, error) {
	n, err := toInt(v)
	if err == nil && n < 0 {
		err = fmt.Errorf("Value must be positive: %d", n)
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// intRange makes a validator for integers from low to high; format names the bound and shows the value.
func intRange(name, format string, low, high int) Validator {
	allowed := fmt.Sprintf("an integer from %d to %d", low, high)
	return Validator{name, allowed, func(v any) (any, error) {
		n, err := toInt(v)
		if err != nil {
			return nil, err
		}
		if n < low || n > high {
			return nil, fmt.Errorf(format, n)
		}
		return n, nil
	}}
}

// oneOf makes a validator for a fixed set of words, case and outer space ignored; None gives ifNone.
func oneOf(name, format string, ifNone any, words ...string) Validator {
	return Validator{name, strings.Join(words, ", "), func(v any) (any, error) {
		if v == nil {
			return ifNone, nil
		}
		text, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("Invalid type for casting: %s", Str(v))
		}
		word := strings.ToLower(Strip(text))
		if !slices.Contains(words, word) {
			return nil, fmt.Errorf(format, word)
		}
		return word, nil
	}}
}

func checkString(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return Strip(v), nil
	}
	return nil, fmt.Errorf("Not a string: %s", Str(v))
}

func checkStringList(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return []string{}, nil
	case map[string]any:
		if len(v) == 0 {
			return []string{}, nil
		}
	case bool:
		if !v {
			return []string{}, nil
		}
	case int:
		if v == 0 {
			return []string{}, nil
		}
	case Float:
		if v == 0 {
			return []string{}, nil
		}
	case string:
		if v == "" {
			return []string{}, nil
		}
		return []string{Strip(v)}, nil
	case []any:
		return checkEachString(v)
	}
	return nil, errNotIterable
}

func checkEachString(items []any) (any, error) {
	list := make([]string, len(items))
	for i, item := range items {
		text, ok := item.(string)
		if !ok {
			return nil, fmt.Errorf("Not a string: %s", Str(item))
		}
		list[i] = Strip(text)
	}
	return list, nil
}

func checkCommaList(v any) (any, error) {
	text, err := checkString(v)
	if err != nil {
		return nil, err
	}
	list := []string{}
	if text == nil {
		return list, nil
	}
	for item := range strings.SplitSeq(text.(string), ",") {
		if item != "" {
			list = append(list, Strip(item))
		}
	}
	return list, nil
}
