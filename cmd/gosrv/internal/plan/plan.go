// Package plan holds what one loading of the configuration amounts to: every
// setting, resolved, in the forms in which master, zygote and workers want them,
// and what is said about them at the start.
package plan

import (
	"encoding/json"
	"fmt"

	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/wsgi/ipc/workerctl"
)

// Plan is what one generation runs with: all settings, resolved.
type Plan struct {
	App      string         // module:callable
	Settings map[string]any // every setting by name, for the zygote
	Hooks    map[string]int // hooks of the config file and their arity
	About    any            // of the settings, for hooks and logger classes; nil: there are none
	Notices  []Notice       // to be logged when the plan is taken up
	Text     string         // what --print-config shows
	Title    string         // shown in brackets in ps
	Sources  []string       // what the settings were read from, the winning one last
	Sizing   string         // how the number of workers came about, "" if it was given
	Changed  []string       // "name = value (place)" for each setting that somebody set

	KeepaliveSet bool // the user has chosen keepalive; a worker may choose a better default

	Worker workerctl.Settings // what workers are told
	Own    Mechanics          // what the master itself acts on
	Addrs  []listen.Addr      // to be bound
}

// Notice is something the user should read once.
type Notice struct {
	Text  string
	Quiet bool // worth a debug line only
}

// serverHooks are the hooks that the master orders. The setting may be a
// function or the dotted path of one.
var serverHooks = []string{
	"on_starting", "on_reload", "when_ready", "pre_exec", "child_exit", "nworkers_changed", "on_exit",
}

// Prepare reads out of Settings what master and workers need. It must be
// called once before the plan is used.
func (p *Plan) Prepare() error {
	text, err := json.Marshal(p.Settings)
	if err == nil {
		err = json.Unmarshal(text, &p.Worker)
	}
	if err == nil {
		err = json.Unmarshal(text, &p.Own)
	}
	if err != nil {
		return fmt.Errorf("reading settings: %w", err)
	}
	p.Worker.KeepaliveSet = p.KeepaliveSet
	if p.Own.Reload && !p.KeepaliveSet {
		// A browser's kept connection would show the old code once more.
		p.Worker.Keepalive, p.Worker.KeepaliveSet = 0, true
	}
	for _, name := range serverHooks {
		if _, dotted := p.Settings[name].(string); dotted && p.Hooks != nil {
			p.Hooks[name] = -1
		}
	}
	for _, b := range p.Own.Bind {
		a, err := listen.ParseAddr(b)
		if err != nil {
			return err
		}
		p.Addrs = append(p.Addrs, a)
	}
	return nil
}

// Preloads tells whether the zygote imports the application.
func (p *Plan) Preloads() bool { return Preloads(p.Settings) }

// SharesStdlib tells whether the zygote imports what its workers would import of the
// standard library each by itself: not for one worker, nor where the application is in
// the zygote already or may patch the library; the reloader is to see all imports.
func (p *Plan) SharesStdlib(program bool) bool {
	class := p.Worker.WorkerClass
	return !p.Own.OwnStdlib && !p.Preloads() && !program && !p.Own.Reload && p.Worker.Workers > 1 && (class == "sync" || class == "gthread")
}

// Preloads tells the same of settings alone.
func Preloads(settings map[string]any) bool {
	preload, _ := settings["preload_app"].(bool)
	return preload
}

// CheckOnly tells whether config file and application are only to be loaded.
func (p *Plan) CheckOnly() bool { return p.Own.CheckConfig || p.Own.PrintConfig }
