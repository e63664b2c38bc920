package settings

import "testing"

func TestReprAsPython(t *testing.T) {
	tests := map[string]any{
		`'a'`: "a", `"it's"`: "it's", `'it\'s "x"'`: `it's "x"`, `'\n\t\x00\x7f\\'`: "\n\t\x00\x7f\\", `'é'`: "é",
		`['a', 1, None, True]`: []any{"a", 1, nil, true}, `{'a': 1, 'b': []}`: map[string]any{"b": []any{}, "a": 1},
		`<object>`: map[string]any{"__repr__": "<object>"}, `1.5`: 1.5, `4.0`: Float(4),
	}
	for want, value := range tests {
		if got := Repr(value); got != want {
			t.Errorf("%#v: %s, want %s", value, got, want)
		}
	}
}
