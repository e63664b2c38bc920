package settings

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The goldens were made by running Gunicorn 27.0.1 on Python 3.11.

func readGolden(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		t.Fatal(err)
	}
}

func TestTableHasGunicornsSettings(t *testing.T) {
	var golden []struct {
		Name, Section, Action, Type, Nargs, Validator string
		Cli                                           []string
		Const, Default                                any
	}
	readGolden(t, "gunicorn_settings.json", &golden)
	if len(golden) != 120 {
		t.Fatalf("golden has %d rows, want 120", len(golden))
	}
	for i, want := range golden {
		s := Table[i]
		if s.Name != want.Name {
			t.Fatalf("row %d is %s, Gunicorn declares %s there", i, s.Name, want.Name)
		}
		if s.Section != want.Section || !slices.Equal(s.Flags, want.Cli) || s.Check.Name != want.Validator {
			t.Errorf("%s: section %q flags %q validator %q, want %+v", s.Name, s.Section, s.Flags, s.Check.Name, want)
		}
		action := map[Action]string{Append: "append", StoreTrue: "store_true", StoreFalse: "store_const"}[s.Action]
		wordType := map[WordType]string{Int: "int", AutoInt: "auto_int"}[s.Type]
		if action != want.Action || (len(s.Flags) > 0 && wordType != want.Type) || (s.Action == Optional) != (want.Nargs == "?") {
			t.Errorf("%s: action %q type %q, want %+v", s.Name, action, wordType, want)
		}
		switch s.Default.(type) {
		case Computed:
		case Hook:
			if want.Default != "<callable>" {
				t.Errorf("%s: a hook, want %v", s.Name, want.Default)
			}
		default:
			if got, err := defaultOf(s, want.Default); err != nil || Repr(got) != Repr(s.Default) {
				t.Errorf("%s: default %s, want %s (%v)", s.Name, Repr(s.Default), Repr(got), err)
			}
		}
	}
	for _, s := range Table[120:] {
		if !s.Own() {
			t.Errorf("%s: not one of Gunicorn's, and not marked as ours", s.Name)
		}
	}
}

// defaultOf validates a declared default as Gunicorn does: all but None.
func defaultOf(s *Setting, declared any) (any, error) {
	if declared == nil {
		return nil, nil
	}
	return s.Check.Verdict(Normalise(declared))
}

func TestTableIsComplete(t *testing.T) {
	for _, s := range Table {
		if s.Help == "" || s.Section == "" || !strings.HasSuffix(s.Help, ".") {
			t.Errorf("%s: section and help text are needed", s.Name)
		}
		if s.State != Works && s.State != Pending && s.Note == "" {
			t.Errorf("%s: state %q without an explanation", s.Name, s.State)
		}
		if s.Arity > 0 && (s.Parameters() == "()" || strings.Count(s.Parameters(), ",")+1 != s.Arity) {
			t.Errorf("%s: arity %d, but the help says %s", s.Name, s.Arity, s.Parameters())
		}
	}
}

func TestValidatorsAgreeWithGunicorn(t *testing.T) {
	var golden []struct {
		Settings []string
		Accept   [][2]any // value given, value kept
		Reject   []any    // value given
	}
	readGolden(t, "verdicts.json", &golden)
	for _, row := range golden {
		for _, name := range row.Settings {
			s := ByName[name]
			for _, pair := range row.Accept {
				given, want := Normalise(pair[0]), pair[1]
				got, err := s.Check.Verdict(given)
				if err != nil {
					t.Errorf("%s = %s: refused (%v), Gunicorn keeps %v", name, Repr(given), err, want)
				} else if want != "*" && Repr(plain(got)) != Repr(plain(Normalise(want))) {
					t.Errorf("%s = %s: kept as %s, Gunicorn keeps %s", name, Repr(given), Repr(got), Repr(want))
				}
			}
			for _, given := range row.Reject {
				if got, err := s.Check.Verdict(Normalise(given)); err == nil {
					t.Errorf("%s = %s: kept as %s, Gunicorn refuses it", name, Repr(Normalise(given)), Repr(got))
				}
			}
		}
	}
}

// plain turns lists of any and of strings into one type, numbers in them into ints.
func plain(v any) any {
	list, ok := v.([]string)
	if !ok {
		return v
	}
	items := make([]any, len(list))
	for i, item := range list {
		items[i] = item
	}
	return items
}
