package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"gosrv/wsgi/logs/accesslog"

	"gosrv/cmd/gosrv/internal/config/settings"
)

// File is what the zygote reports of a configuration file that it ran. The zero File stands for no file.
type File struct {
	Path      string         // as found, for messages
	Settings  map[string]any // plain values by name; decode JSON with UseNumber to tell 4 from 4.0
	Callables map[string]int // functions and classes by name, with the number of positional arguments
}

// Source says where a setting's value comes from.
type Source uint8

const (
	FromDefault     Source = iota
	FromEnvironment        // WEB_CONCURRENCY and the like: another default
	FromFile               // gunicorn.conf.py
	FromTOML               // gosrv.toml, or the table of pyproject.toml
	FromCmdArgs            // GUNICORN_CMD_ARGS
	FromVariables          // GOSRV_WORKERS and the like
	FromFlags              // the command line
)

// sourceNames say where a value comes from, if nothing more exact is known.
var sourceNames = [...]string{"default", "environment", "configuration file", "TOML file", "GUNICORN_CMD_ARGS", "environment", "command line"}

// Merge resolves all settings: default < gunicorn.conf.py < gosrv.toml < GUNICORN_CMD_ARGS < GOSRV_ variables < command
// line. gosrv.toml is read anew, since it may have changed before a reload. The error is an *Error that names file,
// line, setting, value and what is allowed. Warnings are for the log at start.
func (cl *CommandLine) Merge(file File) (*Config, []Warning, error) {
	cfg := &Config{
		values: make(map[string]any, len(settings.Table)), sources: map[string]Source{}, hooks: map[string]int{}, places: map[string]string{},
	}
	for name, value := range cl.defaults {
		cfg.values[name] = value
	}
	for name, variable := range cl.fromEnv {
		cfg.sources[name], cfg.places[name] = FromEnvironment, "environment variable "+variable
	}
	cfg.read = slices.Sorted(maps.Values(cl.fromEnv))
	fromFolder(cl.dir, file.Settings)
	warnings, err := cfg.readFile(file)
	if err != nil {
		return nil, nil, err
	}
	said, err := readTOML(cl.dir, cl.namedFile())
	if err != nil {
		return nil, nil, err
	}
	for _, one := range []layer{said, cl.cmdArgs, cl.variables, cl.flags} {
		cfg.overlay(one)
	}
	support, err := cfg.checkSupport(cl)
	if err != nil {
		return nil, nil, err
	}
	warnings = append(warnings, support...)
	if _, err := accesslog.Compile(cfg.String("access_log_format")); err != nil && cfg.String("accesslog") != "" {
		warnings = append(warnings, Warning{Setting: "access_log_format", Text: err.Error() + "; the default format is used"})
	}
	words := cl.Args
	if program := cl.Program(); program != "" {
		words = []string{program} // the words are the program's
	}
	if err := cfg.resolve(words, cl.dir); err != nil {
		return nil, nil, err
	}
	return cfg, append(warnings, cfg.workerWarnings()...), nil
}

// overlay takes over what one more place says, and notes the place down.
func (cfg *Config) overlay(said layer) {
	for name, value := range said.values {
		cfg.values[name], cfg.sources[name], cfg.places[name] = value, said.source, said.places[name]
	}
	switch {
	case said.path != "":
		cfg.read = append(cfg.read, said.path)
	case len(said.values) == 0:
	case said.source == FromVariables:
		for _, name := range slices.Sorted(maps.Keys(said.values)) {
			cfg.read = append(cfg.read, variableOf(settings.ByName[name]))
		}
	default:
		cfg.read = append(cfg.read, sourceNames[said.source])
	}
}

// fromFolder makes the chdir of a file absolute. It is relative to the folder that the server was started in, which the
// master has left by the time of a reload.
func fromFolder(dir string, said map[string]any) {
	if text, isText := said["chdir"].(string); isText && !filepath.IsAbs(settings.Strip(text)) {
		said["chdir"] = filepath.Join(dir, settings.Strip(text))
	}
}

// readFile takes over what a configuration file set. Unknown names are no error, as in Gunicorn: a configuration file
// is a program and may have names of its own.
func (cfg *Config) readFile(file File) ([]Warning, error) {
	if file.Path != "" {
		cfg.read = append(cfg.read, file.Path)
	}
	for _, s := range settings.Table {
		if arity, isCallable := file.Callables[s.Name]; isCallable {
			if err := cfg.readCallable(s, arity, file); err != nil {
				return nil, err
			}
			continue
		}
		value, named := file.Settings[s.Name]
		if !named || s.Name == "python" || s.Name == "program" {
			continue
		}
		checked, err := s.Accept(settings.Normalise(value))
		if err != nil {
			return nil, fault(s, err, locate(file.Path, s.Name), settings.Normalise(value))
		}
		cfg.values[s.Name], cfg.sources[s.Name], cfg.places[s.Name] = checked, FromFile, locate(file.Path, s.Name)
	}
	return strayNames(file), nil
}

// readCallable takes over a function or class. Hooks stay in Python; here only their names and arities are known.
func (cfg *Config) readCallable(s *settings.Setting, arity int, file File) error {
	fault := &Error{Source: locate(file.Path, s.Name), Setting: s.Name, Value: "<" + s.Name + ">", Allowed: s.Check.Allowed}
	switch {
	case s.Name == "worker_class":
		fault.Message, fault.Allowed = "worker_class is a class, which gosrv cannot run", "sync, gthread, gevent, eventlet"
		return fault
	case s.Name == "logger_class":
	case s.Arity == 0:
		fault.Message = "Value is a function or a class"
		return fault
	case s.Check.Name == settings.PostRequest.Name && arity >= 2 && arity <= 4:
	case arity != s.Arity:
		fault.Message = fmt.Sprintf("Value must have an arity of: %d", s.Arity)
		fault.Allowed = "def " + s.Name + s.Parameters() + ":"
		return fault
	}
	cfg.values[s.Name], cfg.sources[s.Name], cfg.places[s.Name] = settings.Hook(s.Name), FromFile, locate(file.Path, s.Name)
	cfg.hooks[s.Name] = arity
	return nil
}

// strayNames finds names in a configuration file that look like misspelled settings: lower case, a plain value, close
// to the name of a setting that the file does not set.
func strayNames(file File) []Warning {
	var candidates []string
	for _, s := range settings.Table {
		_, isSet := file.Settings[s.Name]
		if _, isCallable := file.Callables[s.Name]; !isSet && !isCallable {
			candidates = append(candidates, s.Name)
		}
	}
	var warnings []Warning
	for name, value := range file.Settings {
		if settings.ByName[name] != nil || name != strings.ToLower(name) || strings.HasPrefix(name, "_") {
			continue
		}
		if _, isDict := value.(map[string]any); isDict {
			continue
		}
		if best := Nearest(name, candidates); best != "" {
			warnings = append(warnings, Warning{Setting: name, Text: fmt.Sprintf("no such setting, ignored (%s); did you mean %s?", locate(file.Path, name), best)})
		}
	}
	slices.SortFunc(warnings, func(a, b Warning) int { return strings.Compare(a.Setting, b.Setting) })
	return warnings
}

// checkSupport refuses values of settings that gosrv does not have and collects warnings for those without effect. What
// a file sets to its default anyway needs no word; a flag on the command line always gets one.
func (cfg *Config) checkSupport(cl *CommandLine) ([]Warning, error) {
	var warnings []Warning
	for _, s := range settings.Table {
		source := cfg.sources[s.Name]
		isDefault := settings.Repr(cfg.values[s.Name]) == settings.Repr(cl.defaults[s.Name])
		if source < FromFile || isDefault && source == FromFile {
			continue
		}
		switch s.State {
		case settings.Unsupported:
			if !isDefault {
				return nil, &Error{
					Message: s.Name + " is not supported: " + s.Note,
					Source:  cfg.where(s), Setting: s.Name, Value: settings.Repr(cfg.values[s.Name]),
				}
			}
		case settings.Pending:
			warnings = append(warnings, Warning{Setting: s.Name, Text: "accepted, no effect yet"})
		case settings.NoEffect:
			warnings = append(warnings, Warning{Setting: s.Name, Text: "accepted, no effect: " + s.Note, Quiet: true})
		}
	}
	return warnings, nil
}

// where names the place that a setting's value comes from, for messages.
func (cfg *Config) where(s *settings.Setting) string {
	if place := cfg.places[s.Name]; place != "" {
		return place
	}
	return sourceNames[cfg.sources[s.Name]]
}
