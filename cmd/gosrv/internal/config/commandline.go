package config

import (
	"fmt"
	"os"
	"slices"
	"unicode/utf8"

	"gosrv/cmd/gosrv/internal/config/settings"
)

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

	defaults  map[string]any    // defaults of this machine and environment, by setting
	fromEnv   map[string]string // which environment variable gave a default
	dir       string            // where the command was given
	flags     layer             // from argv
	cmdArgs   layer             // from GUNICORN_CMD_ARGS
	variables layer             // from GOSRV_ variables
	toml      layer             // as it was at the start
}

// layer is what one place says about settings. Its values have passed their validators.
type layer struct {
	source Source
	path   string // of a file, as the user knows it; "" if there is none
	values map[string]any
	places map[string]string // by setting, more exact than the source: a line, a variable
}

// ParseArgs reads argv (without the program's name), the environment, and gosrv.toml if there is one. The error is a
// *UsageError (exit code 2) or an *Error (exit code 1); both are a [Failure].
func ParseArgs(argv []string, env Environ) (*CommandLine, error) {
	cl := &CommandLine{flags: layer{source: FromFlags}, cmdArgs: layer{source: FromCmdArgs}}
	var err error
	if cl.flags.values, cl.Args, err = cl.read(argv, "command line"); err != nil || cl.Order != Run {
		return cl, err
	}
	if cl.dir, err = os.Getwd(); err != nil {
		return nil, &Error{Message: "cannot tell the current directory: " + err.Error()}
	}
	if !utf8.ValidString(cl.dir) {
		return nil, &Error{Message: fmt.Sprintf("the current directory's name is not UTF-8: %q; rename it, or give it a symbolic link and start there", cl.dir)}
	}
	if cl.defaults, cl.fromEnv, err = machineDefaults(env, cl.dir); err != nil {
		return nil, err
	}
	if cl.variables, err = readVariables(env); err != nil {
		return nil, err
	}
	text, _ := env.Lookup("GUNICORN_CMD_ARGS")
	words, err := shellWords(text)
	if err != nil {
		return nil, &Error{Message: err.Error(), Source: "GUNICORN_CMD_ARGS"}
	}
	if cl.cmdArgs.values, _, err = cl.read(words, "GUNICORN_CMD_ARGS"); err != nil {
		return nil, err
	}
	if cl.toml, err = readTOML(cl.dir, cl.namedFile()); err != nil {
		return nil, err
	}
	return cl, cl.checkProgram()
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
	for _, s := range settings.Table { // in table order, so that the first error does not depend on map order
		value, named := raw[s.Name]
		if !named {
			continue
		}
		checked, err := s.Accept(value)
		if err != nil {
			return nil, nil, fault(s, err, source, value)
		}
		raw[s.Name] = checked
	}
	return raw, loose, nil
}

// collect stores what one flag said: argparse's actions and conversions.
func collect(raw map[string]any, s *settings.Setting, values []string) error {
	switch s.Action {
	case settings.StoreTrue:
		raw[s.Name] = true
	case settings.StoreFalse:
		raw[s.Name] = false
	case settings.Append:
		list, _ := raw[s.Name].([]any)
		raw[s.Name] = append(list, values[0])
	case settings.Optional:
		raw[s.Name] = s.Const
		if len(values) > 0 {
			raw[s.Name] = values[0]
		}
	default:
		return store(raw, s, values[0])
	}
	return nil
}

func store(raw map[string]any, s *settings.Setting, word string) error {
	convert, kind := func(w string) (int, bool) { return settings.ReadInt(w, 10) }, "int"
	switch s.Type {
	case settings.Text:
		raw[s.Name] = word
		return nil
	case settings.AutoInt:
		convert, kind = settings.ReadAutoInt, "auto_int"
	}
	n, ok := convert(word)
	if !ok && s.Auto && word == settings.AutoWord {
		raw[s.Name] = word
		return nil
	}
	if !ok {
		if n, inUnits, err := s.Unit.Read(word); inUnits || err != nil {
			raw[s.Name] = n
			if err == nil {
				return nil
			}
			return &UsageError{fmt.Sprintf("argument %s: %v", s.FlagText(), err)}
		}
		return &UsageError{fmt.Sprintf("argument %s: invalid %s value: %s", s.FlagText(), kind, settings.ReprText(word))}
	}
	raw[s.Name] = n
	return nil
}

// fault wraps a validator's verdict with where the value came from.
func fault(s *settings.Setting, err error, source string, value any) *Error {
	return &Error{Message: err.Error(), Source: source, Setting: s.Name, Value: settings.Repr(value), Allowed: s.Allowed()}
}

// namedFile gives what -c names, on the command line or in a variable; "" if it is not given.
func (cl *CommandLine) namedFile() string {
	for _, said := range []layer{cl.flags, cl.variables, cl.cmdArgs} {
		if location, _ := said.values["config"].(string); location != "" {
			return location
		}
	}
	return ""
}

// ConfigFile gives the configuration file that Python is to run, as the user wrote it (PATH, file:PATH or
// python:MODULE), and whether it was named. An unnamed one is ./gunicorn.conf.py, which may be missing; "" and true
// mean that there is none, because a TOML file was named, or a program.
func (cl *CommandLine) ConfigFile() (location string, explicit bool) {
	location = cl.namedFile()
	if isTOML(location) || cl.Program() != "" {
		return "", true
	}
	return location, location != ""
}

// Program gives the Python program that makes its own server, "" if an application is to be served.
func (cl *CommandLine) Program() string {
	for _, said := range []layer{cl.flags, cl.variables, cl.cmdArgs, cl.toml} {
		if location, _ := said.values["program"].(string); location != "" {
			return location
		}
	}
	return ""
}

// Defaults gives the default of every setting on this machine, in types that encoding/json writes; nil for functions.
func (cl *CommandLine) Defaults() map[string]any {
	plain := make(map[string]any, len(cl.defaults))
	for name, value := range cl.defaults {
		switch value.(type) {
		case settings.Hook, settings.Auto:
			value = nil
		}
		plain[name] = value
	}
	return plain
}

// Facts gives what hooks and logger classes read of all settings, nil if nobody looks: no hook is set, and no logger
// class of the user's.
func (cl *CommandLine) Facts(c *Config) map[string]settings.Fact {
	if !c.observed() {
		return nil
	}
	defaults := cl.Defaults()
	facts := make(map[string]settings.Fact, len(settings.Table))
	for i, s := range settings.Table {
		facts[s.Name] = s.Fact(i, defaults[s.Name])
	}
	return facts
}

// checkProgram refuses what a program leaves no room for.
func (cl *CommandLine) checkProgram() error {
	if named := cl.namedFile(); cl.Program() != "" && named != "" {
		return &Error{Message: fmt.Sprintf("--program %s and --config %s: a program's load_config() takes the place of a configuration file", cl.Program(), named)}
	}
	return nil
}

// Python gives the interpreter named by --python, GOSRV_PYTHON or gosrv.toml, "" if none is.
func (cl *CommandLine) Python() string {
	for _, said := range []map[string]any{cl.flags.values, cl.cmdArgs.values, cl.defaults, cl.toml.values} {
		if path, _ := said["python"].(string); path != "" {
			return path
		}
	}
	return ""
}
