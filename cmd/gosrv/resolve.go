package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"gosrv/cmd/gosrv/internal/config"
	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/cmd/gosrv/internal/zygotectl"
)

// resolve merges what the config file said into everything else.
func resolve(cl *config.CommandLine, loaded zygotectl.ConfigLoaded) (*plan.Plan, error) {
	file := config.File{Settings: map[string]any{}, Callables: loaded.Callables}
	if loaded.Path != nil {
		file.Path = *loaded.Path
	}
	for name, raw := range loaded.Settings {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber() // 4 and 4.0 are different values to a validator
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("reading %s of %s: %w", name, file.Path, err)
		}
		file.Settings[name] = value
	}
	cfg, warnings, err := cl.Merge(file)
	if err != nil {
		return nil, err
	}
	p := &plan.Plan{
		App: cfg.App(), Settings: cfg.Map(), Hooks: cfg.Hooks(), Text: cfg.Print(), Title: cfg.ProcName(),
		KeepaliveSet: cfg.Explicit("keepalive"), Sources: cfg.Sources(), Sizing: cfg.Sizing(), Changed: cfg.Changed(),
	}
	if facts := cl.Facts(cfg); facts != nil {
		p.About = facts
	}
	for _, w := range warnings {
		p.Notices = append(p.Notices, plan.Notice{Text: w.String(), Quiet: w.Quiet})
	}
	return p, nil
}
