package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gosrv/cmd/gosrv/internal/config/settings"
)

// The golden was made by running Gunicorn 27.0.1's parser on Python 3.11.

func TestCommandLineIsReadAsArgparseDoes(t *testing.T) {
	var golden []struct {
		Argv, Args []string
		Set        map[string]any
		Error      string
	}
	text, err := os.ReadFile(filepath.Join("testdata", "argparse.json"))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&golden); err != nil {
		t.Fatal(err)
	}
	for _, want := range golden {
		got := map[string]any{}
		args, err := parseWords(want.Argv, func(o *option, values []string) (bool, error) {
			return false, collect(got, o.setting, values)
		})
		if want.Error != "" {
			text := ""
			if err != nil {
				text, _, _ = strings.Cut(err.Error(), " (did you mean")
			}
			if text != want.Error {
				t.Errorf("%q: error %q, argparse says %q", want.Argv, text, want.Error)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: error %q, argparse accepts it", want.Argv, err)
			continue
		}
		for name, value := range want.Set {
			want.Set[name] = settings.Normalise(value)
		}
		if !reflect.DeepEqual(got, want.Set) || !slices.Equal(args, want.Args) {
			t.Errorf("%q: %v and %q, argparse gives %v and %q", want.Argv, got, args, want.Set, want.Args)
		}
	}
}
