package config

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"gosrv/cmd/gosrv/internal/config/settings"
)

// Environ is an environment as os.Environ gives it: NAME=VALUE texts.
type Environ []string

// Lookup reads one variable, as os.LookupEnv does.
func (e Environ) Lookup(name string) (value string, set bool) {
	for _, pair := range e {
		if key, value, _ := strings.Cut(pair, "="); key == name {
			return value, true
		}
	}
	return "", false
}

// Every setting can be given by a variable: GOSRV_ and its name in capitals.
const variablePrefix = "GOSRV_"

// foreignVariables have the prefix and are not ours: what Kubernetes sets for a service that is called gosrv, and what
// the builds and tests of this repository use.
var foreignVariables = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^GOSRV_(SERVICE_HOST=|SERVICE_PORT(_\w+)?=|PORT=(tcp|udp|sctp)://|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?=|(BIN|WHEEL|GOARCH|MANYLINUX|TOOLS|TEST_\w+)=)`)
})

func variableOf(s *settings.Setting) string { return variablePrefix + strings.ToUpper(s.Name) }

// readVariables reads all variables with our prefix; an empty one counts as not set. An unknown one is an error, in the
// order of the environment's names, so that the first error is always the same.
func readVariables(environ Environ) (layer, error) {
	said := layer{source: FromVariables, values: map[string]any{}, places: map[string]string{}}
	pairs := slices.Clone(environ)
	slices.Sort(pairs)
	for _, pair := range pairs {
		name, text, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, variablePrefix) || foreignVariables().MatchString(pair) {
			continue
		}
		s := settings.ByName[strings.ToLower(strings.TrimPrefix(name, variablePrefix))]
		switch {
		case s == nil || variableOf(s) != name:
			return said, unknownVariable(name)
		case s.Name == "python" || text == "":
			continue // python is among the defaults: the search for it names the variable
		}
		value, err := fromText(s, text)
		if err == nil {
			value, err = s.Accept(value)
		}
		if err != nil {
			return said, fault(s, err, "environment variable "+name, text)
		}
		said.values[s.Name], said.places[s.Name] = value, "environment variable "+name
	}
	return said, nil
}

func unknownVariable(name string) error {
	message := "environment variable " + name + ": there is no such setting"
	if best := nearestSetting(strings.TrimPrefix(name, variablePrefix)); best != nil {
		message += "; did you mean " + variableOf(best) + "?"
	}
	return &Error{Message: message}
}

// fromText turns a variable's text into what a configuration file would have said.
func fromText(s *settings.Setting, text string) (any, error) {
	switch s.Check.Name {
	case settings.AnyBool.Name:
		switch strings.ToLower(settings.Strip(text)) {
		case "1", "yes", "on", "true":
			return true, nil
		case "0", "no", "off", "false":
			return false, nil
		}
	case settings.ListText.Name, settings.WatchedFiles.Name:
		return listFromText(text), nil
	case settings.AnyDict.Name:
		var dict map[string]any
		if err := json.Unmarshal([]byte(text), &dict); err != nil {
			return nil, fmt.Errorf("Value is not a JSON object: %v", err)
		}
		return dict, nil
	}
	if n, ok := settings.ReadAutoInt(settings.Strip(text)); ok && s.Type == settings.AutoInt {
		return n, nil
	}
	return text, nil
}

// listFromText splits at commas; a list whose items have commas in them is written as JSON: ["A=1,2", "B=3"].
func listFromText(text string) any {
	var list []string
	if json.Unmarshal([]byte(text), &list) == nil {
		return settings.Normalise(list)
	}
	var items []any
	for item := range strings.SplitSeq(text, ",") {
		items = append(items, settings.Strip(item))
	}
	return items
}

// nearestSetting gives the setting that name was probably meant to be: by another spelling, by its flag
// (ACCESS_LOGFILE, log-level), or with a letter or two wrong. nil if there is none.
func nearestSetting(name string) *settings.Setting {
	name = strings.ToLower(strings.ReplaceAll(strings.TrimLeft(name, "-"), "-", "_"))
	spelled := map[string]*settings.Setting{}
	var candidates []string
	for _, s := range settings.Table {
		names := []string{s.Name}
		for _, flag := range s.Flags {
			if long, ok := strings.CutPrefix(flag, "--"); ok {
				names = append(names, strings.ReplaceAll(long, "-", "_"))
			}
		}
		for _, one := range names {
			if spelled[one] == nil {
				spelled[one] = s
				candidates = append(candidates, one)
			}
		}
	}
	if s := spelled[name]; s != nil {
		return s
	}
	return spelled[Nearest(name, candidates)]
}
