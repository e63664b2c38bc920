// Package config turns a command line, GUNICORN_CMD_ARGS, the environment and what a configuration file said into one
// resolved [Config]. The table that it reads by is package settings.
//
// # Order of events
//
//	ParseArgs(argv, env)      before any Python: usage errors (exit 2) and bad values (exit 1) end the program here
//	cl.ConfigFile()           which gunicorn.conf.py the zygote is to run, if any
//	cl.Merge(File{...})       default < file < GUNICORN_CMD_ARGS < command line, worker class and application resolved
//	cfg.Map()                 what the zygote and the workers get
//
// The package starts no process and opens nothing but the configuration file, and that only to name a line in an error.
package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gosrv/cmd/gosrv/internal/config/settings"
)

// Version is the version of gosrv, as --version and the start line show it. It stands nowhere else: packages read it here.
const Version = "0.2.0"

// VersionText gives the first line of --version, in Gunicorn's form.
func VersionText() string { return "gosrv (version " + Version + ")\n" }

// Config holds the resolved value of every setting. It does not change after Merge.
type Config struct {
	values  map[string]any
	sources map[string]Source
	hooks   map[string]int // callables of the configuration file, with their arity
	app     string
	worker  workerName
	sizing  string            // how workers = auto came out, "" if a number was given
	places  map[string]string // where a value was said, by setting
	read    []string          // what was read, lowest precedence first
}

// App gives the application as the user named it: module, module:name or module:factory(...). It is never empty.
func (c *Config) App() string { return c.app }

// WorkerClass gives one of WorkerSync to WorkerEventlet; sync with more than one thread is gthread.
func (c *Config) WorkerClass() string { return c.worker.class }

// ProcName gives the name for process titles: proc_name, or else default_proc_name, or else the application.
func (c *Config) ProcName() string {
	if name := c.String("proc_name"); name != "" {
		return name
	}
	name := c.String("default_proc_name")
	if c.sources["default_proc_name"] == FromDefault && name == settings.ByName["default_proc_name"].Default {
		return c.app
	}
	return name
}

// Int gives an integer setting; 0 if name is not one.
func (c *Config) Int(name string) int {
	n, _ := c.values[name].(int)
	return n
}

// Bool gives a flag setting; false if it is None or name is not one. sendfile is true unless it was turned off.
func (c *Config) Bool(name string) bool {
	if name == "sendfile" && c.values[name] == nil {
		return true
	}
	b, _ := c.values[name].(bool)
	return b
}

// String gives a text setting; "" if it is None or name is not one.
func (c *Config) String(name string) string {
	s, _ := c.values[name].(string)
	return s
}

// Strings gives a list setting: bind, raw_env, forwarded_allow_ips, forwarder_headers and the like. The slice is not
// to be changed.
func (c *Config) Strings(name string) []string {
	list, _ := c.values[name].([]string)
	return list
}

// StringMap gives the text entries of a dictionary setting such as secure_scheme_headers. The map is the caller's.
func (c *Config) StringMap(name string) map[string]string {
	dict, _ := c.values[name].(map[string]any)
	texts := make(map[string]string, len(dict))
	for key, value := range dict {
		if text, ok := value.(string); ok {
			texts[key] = text
		}
	}
	return texts
}

// Sizing says in words how the number of workers came about, "" if it was given as a number.
func (c *Config) Sizing() string { return c.sizing }

// Sources lists what the settings were read from, in order of precedence, the winning one last: environment variables,
// files and the command line. It is empty if all settings have their defaults.
func (c *Config) Sources() []string { return slices.Clone(c.read) }

// Changed lists the settings that were said somewhere, by name: "workers = 4 (command line)".
func (c *Config) Changed() []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(c.sources)) {
		if c.sources[name] == FromDefault {
			continue
		}
		place := c.places[name]
		if place == "" {
			place = sourceNames[c.sources[name]]
		}
		lines = append(lines, fmt.Sprintf("%s = %s (%s)", name, settings.Repr(c.values[name]), place))
	}
	return lines
}

// Source says where the value of a setting comes from.
func (c *Config) Source(name string) Source { return c.sources[name] }

// Explicit reports whether a setting was set anywhere: environment, files or command line.
func (c *Config) Explicit(name string) bool { return c.sources[name] != FromDefault }

// Hooks gives the functions of the configuration file by setting, with the number of arguments they take. The map is
// the caller's.
func (c *Config) Hooks() map[string]int { return maps.Clone(c.hooks) }

// Map gives all settings by name in types that encoding/json writes, for the zygote and the workers. Values that
// depend on each other are resolved: worker_class, proc_name, sendfile. http_protocols is text, as the user writes it. Functions are left out, except those named by
// a dotted path.
func (c *Config) Map() map[string]any {
	resolved := make(map[string]any, len(c.values))
	for name, value := range c.values {
		if _, isHook := value.(settings.Hook); isHook {
			continue
		}
		if value == nil {
			value = noneMeans(settings.ByName[name])
		}
		resolved[name] = value
	}
	resolved["worker_class"] = c.worker.class
	resolved["worker_class_named"], resolved["worker_class_variant"] = c.String("worker_class"), c.worker.variant
	if green(c.worker.class) {
		resolved["threads"] = 1
	}
	resolved["proc_name"] = c.ProcName()
	resolved["sendfile"] = c.Bool("sendfile")
	resolved["http_protocols"] = strings.Join(c.Strings("http_protocols"), ",")
	return resolved
}

// noneMeans gives the value that None stands for: false for flags, the default for words out of a fixed set.
func noneMeans(s *settings.Setting) any {
	switch s.Check.Name {
	case settings.AnyBool.Name:
		return false
	case settings.HeaderMap.Name:
		return s.Default
	}
	return nil
}

// Print gives the text of --print-config: Gunicorn's lines, sorted by name, with our own settings among them.
func (c *Config) Print() string {
	var b strings.Builder
	width := 0
	for name := range c.values {
		width = max(width, len(name))
	}
	for _, name := range slices.Sorted(maps.Keys(c.values)) {
		fmt.Fprintf(&b, "%-*s = %s\n", width, name, printed(settings.ByName[name], c.values[name]))
	}
	return b.String()
}

// printed gives a value as Gunicorn prints it, which keeps some settings in another form: hooks imported, the address
// of statsd taken apart.
func printed(s *settings.Setting, value any) string {
	text, isText := value.(string)
	switch {
	case isText && s.Arity > 0:
		return settings.Str(settings.Hook(text[strings.LastIndex(text, ".")+1:]))
	case isText && s.Name == "statsd_host":
		return printedAddress(text)
	}
	return settings.Str(value)
}

// printedAddress shows unix:PATH as the path, fd://N as the number, and the rest as a pair of host and port.
func printedAddress(text string) string {
	if rest, isUnix := strings.CutPrefix(text, "unix:"); isUnix && !settings.BareUnixPort().MatchString(text) {
		return strings.TrimPrefix(rest, "//")
	}
	if number, isFD := strings.CutPrefix(text, "fd://"); isFD {
		return number
	}
	host, port := strings.TrimPrefix(text, "tcp://"), "8125"
	if strings.HasPrefix(host, "[") {
		inside, after, _ := strings.Cut(host[1:], "]")
		host = inside
		if after != "" {
			port = after[1:]
		}
	} else if name, after, found := strings.Cut(host, ":"); found {
		host, port = name, after
	}
	n, _ := settings.ReadInt(port, 10) // the validator has read it
	return "(" + settings.ReprText(strings.ToLower(host)) + ", " + strconv.Itoa(n) + ")"
}

// observed tells whether code of the user's gets to see the settings.
func (c *Config) observed() bool {
	if len(c.hooks) > 0 {
		return true
	}
	for _, s := range settings.Table {
		if _, named := c.values[s.Name].(string); named && s.Arity > 0 {
			return true
		}
	}
	switch c.String("logger_class") {
	case "", "simple", "gunicorn.glogging.Logger", "gunicorn.instrument.statsd.Statsd":
		return false
	}
	return true
}
