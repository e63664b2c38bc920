package config

import (
	"fmt"
	"slices"
)

// Lookup reads one environment variable, as os.LookupEnv does.
type Lookup func(name string) (value string, set bool)

// Order is what the command line asks for.
type Order uint8

const (
	Run         Order = iota // serve, or check; see the settings check_config and print_config
	ShowHelp                 // print Help() and exit 0
	ShowVersion              // print VersionText() and exit 0
)

// CommandLine is what was said before any Python runs: flags, GUNICORN_CMD_ARGS, the environment. All values in it
// have passed their validators.
type CommandLine struct {
	Order   Order
	Verbose bool     // --version --verbose: say more
	Args    []string // loose words; the first is the application

	defaults map[string]any    // defaults of this machine and environment, by setting
	fromEnv  map[string]string // which environment variable gave a default
	flags    map[string]any    // from argv
	cmdArgs  map[string]any    // from GUNICORN_CMD_ARGS
}

// ParseArgs reads argv (without the program's name) and the environment. The error is a *UsageError (exit code 2) or
// an *Error (exit code 1); both are a [Failure].
func ParseArgs(argv []string, env Lookup) (*CommandLine, error) {
	cl := &CommandLine{}
	var err error
	if cl.flags, cl.Args, err = cl.read(argv, "command line"); err != nil || cl.Order != Run {
		return cl, err
	}
	if cl.defaults, cl.fromEnv, err = machineDefaults(env); err != nil {
		return nil, err
	}
	text, _ := env("GUNICORN_CMD_ARGS")
	words, err := shellWords(text)
	if err != nil {
		return nil, &Error{Message: err.Error(), Source: "GUNICORN_CMD_ARGS"}
	}
	if cl.cmdArgs, _, err = cl.read(words, "GUNICORN_CMD_ARGS"); err != nil {
		return nil, err
	}
	return cl, nil
}

// read parses one list of words into validated values by setting.
func (cl *CommandLine) read(words []string, source string) (map[string]any, []string, error) {
	raw := map[string]any{}
	loose, err := parseWords(words, func(o *option, values []string) (bool, error) {
		switch o {
		case helpOption:
			cl.Order = ShowHelp
			return true, nil
		case versionOption:
			cl.Order = ShowVersion
			cl.Verbose = slices.Contains(words, "--verbose")
			return true, nil
		}
		return false, collect(raw, o.setting, values)
	})
	if err != nil || cl.Order != Run {
		return nil, nil, err
	}
	for _, s := range settings { // in table order, so that the first error does not depend on map order
		value, named := raw[s.Name]
		if !named {
			continue
		}
		checked, err := s.Check.check(value)
		if err != nil {
			return nil, nil, s.fault(err, source, value)
		}
		raw[s.Name] = checked
	}
	return raw, loose, nil
}

// collect stores what one flag said: argparse's actions and conversions.
func collect(raw map[string]any, s *Setting, values []string) error {
	switch s.Action {
	case StoreTrue:
		raw[s.Name] = true
	case StoreFalse:
		raw[s.Name] = false
	case Append:
		list, _ := raw[s.Name].([]any)
		raw[s.Name] = append(list, values[0])
	case Optional:
		raw[s.Name] = s.Const
		if len(values) > 0 {
			raw[s.Name] = values[0]
		}
	default:
		return store(raw, s, values[0])
	}
	return nil
}

func store(raw map[string]any, s *Setting, word string) error {
	convert, kind := func(w string) (int, bool) { return pyInt(w, 10) }, "int"
	switch s.Type {
	case Text:
		raw[s.Name] = word
		return nil
	case AutoInt:
		convert, kind = autoInt, "auto_int"
	}
	n, ok := convert(word)
	if !ok {
		return &UsageError{fmt.Sprintf("argument %s: invalid %s value: %s", s.FlagText(), kind, reprString(word))}
	}
	raw[s.Name] = n
	return nil
}

// fault wraps a validator's verdict with where the value came from.
func (s *Setting) fault(err error, source string, value any) *Error {
	return &Error{Message: err.Error(), Source: source, Setting: s.Name, Value: pyRepr(value), Allowed: s.Check.Allowed}
}

// ConfigFile gives the configuration file to run, as the user wrote it (PATH, file:PATH or python:MODULE), and whether
// it was named. An unnamed one is ./gunicorn.conf.py, which may be missing.
func (cl *CommandLine) ConfigFile() (location string, explicit bool) {
	for _, said := range []map[string]any{cl.flags, cl.cmdArgs} {
		if location, _ := said["config"].(string); location != "" {
			return location, true
		}
	}
	return "", false
}

// Python gives the interpreter named by --python or GOSRV_PYTHON, "" if none is.
func (cl *CommandLine) Python() string {
	for _, said := range []map[string]any{cl.flags, cl.cmdArgs, cl.defaults} {
		if path, _ := said["python"].(string); path != "" {
			return path
		}
	}
	return ""
}
