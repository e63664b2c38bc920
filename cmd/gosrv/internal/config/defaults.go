package config

import (
	"os"
	"path/filepath"
	"strings"

	"gosrv/cmd/gosrv/internal/config/settings"
)

// environmentDefaults are the variables that give a setting another default, as in Gunicorn (the last one is ours).
var environmentDefaults = []struct {
	variable, setting string
	convert           func(text string) any
}{
	{"PORT", "bind", func(text string) any { return []any{"0.0.0.0:" + text} }},
	{"WEB_CONCURRENCY", "workers", decimal},
	{"FORWARDED_ALLOW_IPS", "forwarded_allow_ips", func(text string) any { return text }},
	{"SENDFILE", "sendfile", func(text string) any {
		switch strings.ToLower(text) {
		case "y", "1", "yes", "true":
			return true
		}
		return false
	}},
	{"GOSRV_PYTHON", "python", func(text string) any { return text }},
}

// decimal reads an integer as Python's int(text); other text goes on to the validator, which refuses it.
func decimal(text string) any {
	if n, ok := settings.ReadInt(text, 10); ok {
		return n
	}
	return text
}

// machineDefaults gives the default of each setting on this machine and in this environment, and for those that the
// environment changed, the variable's name.
func machineDefaults(env Environ, cwd string) (map[string]any, map[string]string, error) {
	defaults, from := make(map[string]any, len(settings.Table)), map[string]string{}
	for _, s := range settings.Table {
		defaults[s.Name] = s.Default
	}
	defaults["chdir"] = cwd
	defaults["user"], defaults["group"] = os.Geteuid(), os.Getegid()
	defaults["control_socket"] = controlSocket(env)
	for _, row := range environmentDefaults {
		text, set := env.Lookup(row.variable)
		if !set {
			continue
		}
		s := settings.ByName[row.setting]
		value := row.convert(text)
		checked, err := s.Accept(value)
		if err != nil {
			return nil, nil, fault(s, err, "environment variable "+row.variable, value)
		}
		defaults[s.Name], from[s.Name] = checked, row.variable
	}
	return defaults, from, nil
}

func controlSocket(env Environ) string {
	if dir, _ := env.Lookup("XDG_RUNTIME_DIR"); dir != "" {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return filepath.Join(dir, "gunicorn.ctl")
		}
	}
	home, _ := env.Lookup("HOME")
	return filepath.Join(home, ".gunicorn", "gunicorn.ctl")
}
