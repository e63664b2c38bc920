package config

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gosrv/cmd/gosrv/internal/config/settings"
)

// resolvePaste makes the PasteDeploy file the application. As in Gunicorn it also names the processes, and configures
// logging if it can and nothing else does.
func (cfg *Config) resolvePaste(location, dir string) error {
	file, section, hasSection := strings.Cut(location, "#")
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	text, err := os.Open(file)
	if err != nil {
		return &Error{
			Message: fmt.Sprintf("%s not found", settings.ReprText(file)), Source: cfg.where(settings.ByName["paste"]),
			Setting: "paste", Value: settings.ReprText(location), Allowed: "a PasteDeploy file, or FILE#SECTION",
		}
	}
	defer text.Close()
	cfg.app = file
	if hasSection {
		cfg.app += "#" + section
	}
	if cfg.sources["default_proc_name"] == FromDefault {
		cfg.values["default_proc_name"] = file
	}
	if cfg.sources["logconfig"] != FromDefault {
		return nil
	}
	for lines := bufio.NewScanner(text); lines.Scan(); {
		if strings.TrimSpace(lines.Text()) == "[loggers]" {
			cfg.values["logconfig"], cfg.sources["logconfig"], cfg.places["logconfig"] = file, FromFile, file+" has [loggers]"
		}
	}
	return nil
}
