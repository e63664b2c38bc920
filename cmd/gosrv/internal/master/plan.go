package master

import (
	"encoding/json"
	"fmt"
	"strings"

	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/wsgi/ipc/workerctl"
)

// Plan is what one generation runs with: all settings, resolved.
type Plan struct {
	App      string         // module:callable
	Settings map[string]any // every setting by name, for the zygote
	Hooks    map[string]int // hooks of the config file and their arity
	Notices  []Notice       // to be logged when the plan is taken up
	Text     string         // what --print-config shows
	Title    string         // shown in brackets in ps
	Sources  []string       // what the settings were read from, the winning one last
	Sizing   string         // how the number of workers came about, "" if it was given
	Changed  []string       // "name = value (place)" for each setting that somebody set

	KeepaliveSet bool // the user has chosen keepalive; a worker may choose a better default

	worker workerctl.Settings
	own    mechanics
	addrs  []listen.Addr
}

// Notice is something the user should read once.
type Notice struct {
	Text  string
	Quiet bool // worth a debug line only
}

// mechanics are the settings the master itself acts on.
type mechanics struct {
	Bind        []string `json:"bind"`
	Pidfile     string   `json:"pidfile"`
	Chdir       string   `json:"chdir"`
	User        int      `json:"user"`
	Group       int      `json:"group"`
	Umask       int      `json:"umask"`
	RawEnv      []string `json:"raw_env"`
	CheckConfig bool     `json:"check_config"`
	PrintConfig bool     `json:"print_config"`
	Daemon      bool     `json:"daemon"`
	OneByOne    bool     `json:"reload_one_by_one"`
	ReforkAfter int      `json:"refork_after"`
	KeepStdio   bool     `json:"enable_stdio_inheritance"`
	Reload      bool     `json:"reload"`

	BacklogMetric bool `json:"enable_backlog_metric"`
}

// serverHooks are the hooks that the master orders. The setting may be a
// function or the dotted path of one.
var serverHooks = []string{
	"on_starting", "on_reload", "when_ready", "pre_exec", "child_exit", "nworkers_changed", "on_exit",
}

// prepare reads out of Settings what master and workers need. It must be
// called once before the plan is used.
func (p *Plan) prepare() error {
	text, err := json.Marshal(p.Settings)
	if err == nil {
		err = json.Unmarshal(text, &p.worker)
	}
	if err == nil {
		err = json.Unmarshal(text, &p.own)
	}
	if err != nil {
		return fmt.Errorf("reading settings: %w", err)
	}
	p.worker.KeepaliveSet = p.KeepaliveSet
	if p.own.Reload && !p.KeepaliveSet {
		// A browser's kept connection would show the old code once more.
		p.worker.Keepalive, p.worker.KeepaliveSet = 0, true
	}
	for _, name := range serverHooks {
		if _, dotted := p.Settings[name].(string); dotted && p.Hooks != nil {
			p.Hooks[name] = -1
		}
	}
	for _, b := range p.own.Bind {
		a, err := listen.ParseAddr(b)
		if err != nil {
			return err
		}
		p.addrs = append(p.addrs, a)
	}
	return nil
}

// preloads tells whether the zygote imports the application.
func (p *Plan) preloads() bool { return preloads(p.Settings) }

func preloads(settings map[string]any) bool {
	preload, _ := settings["preload_app"].(bool)
	return preload
}

// checkOnly tells whether config file and application are only to be loaded.
func (p *Plan) checkOnly() bool { return p.own.CheckConfig || p.own.PrintConfig }

// env is the raw_env setting as a map. Entries were checked with the settings.
func (p *Plan) env() map[string]string {
	env := map[string]string{}
	for _, pair := range p.own.RawEnv {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	return env
}

// socketOptions are the settings that shape sockets.
func (p *Plan) socketOptions() listen.Options {
	return listen.Options{
		Backlog: p.worker.Backlog, Umask: p.own.Umask, ReusePort: p.worker.ReusePort,
		UID: p.own.User, GID: p.own.Group,
	}
}

// scheme is how clients reach a TCP listener.
func (p *Plan) scheme() string {
	if p.worker.Certfile != "" || p.worker.Keyfile != "" {
		return "https"
	}
	return "http"
}
