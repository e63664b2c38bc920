package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gosrv/cmd/gosrv/internal/config/settings"
)

// Names of the worker classes gosrv has.
const (
	WorkerSync    = "sync"
	WorkerGThread = "gthread"
)

// workerClasses maps every way to name a worker class that Gunicorn users write to what runs here.
var workerClasses = map[string]string{
	"sync":                                  WorkerSync,
	"gunicorn.workers.sync.SyncWorker":      WorkerSync,
	"egg:gunicorn#sync":                     WorkerSync,
	"gthread":                               WorkerGThread,
	"gunicorn.workers.gthread.ThreadWorker": WorkerGThread,
	"egg:gunicorn#gthread":                  WorkerGThread,
}

// WorkerClasses lists the names of the worker classes, in order.
func WorkerClasses() []string {
	return slices.Compact(slices.Sorted(maps.Values(workerClasses)))
}

// resolve works out what follows from several settings together. words are the loose words of the command line; dir is
// what relative paths are relative to.
func (cfg *Config) resolve(words []string, dir string) error {
	if err := cfg.resolveWorker(); err != nil {
		return err
	}
	if err := cfg.size(); err != nil {
		return err
	}
	if location := cfg.String("paste"); location != "" {
		if err := cfg.resolvePaste(location, dir); err != nil {
			return err
		}
	} else if len(words) > 0 {
		cfg.app = words[0]
		if cfg.sources["default_proc_name"] == FromDefault {
			cfg.values["default_proc_name"] = words[0]
		}
	} else {
		cfg.app = cfg.String("wsgi_app")
	}
	if cfg.app == "" {
		return &Error{Message: "No application module specified."}
	}
	for _, entry := range cfg.Strings("raw_env") {
		if !strings.Contains(entry, "=") {
			return &Error{Message: fmt.Sprintf("environment setting %s invalid: it must be KEY=VALUE", settings.ReprText(entry))}
		}
	}
	for _, entry := range cfg.Strings("raw_paste_global_conf") {
		if !strings.Contains(strings.ReplaceAll(entry, `\=`, ""), "=") {
			return &Error{Message: fmt.Sprintf("environment setting %s invalid: --paste-global must be KEY=VALUE", settings.ReprText(entry))}
		}
	}
	return nil
}

func (cfg *Config) resolveWorker() error {
	named := cfg.String("worker_class")
	class, known := workerClasses[strings.TrimLeft(named, "#")]
	if !known {
		return &Error{Message: fmt.Sprintf("worker_class %s is not supported: %s", settings.ReprText(named), workerAlternative(named))}
	}
	if class == WorkerSync && cfg.Int("threads") > 1 {
		class = WorkerGThread
	}
	cfg.workerClass = class
	return nil
}

// workerAlternative says what to use instead of a worker class that gosrv does not have.
func workerAlternative(named string) string {
	word := strings.ToLower(named)
	switch {
	case strings.Contains(word, "uvicorn"), strings.Contains(word, "asgi"), strings.Contains(word, "aiohttp"):
		return settings.NoASGI
	case strings.Contains(word, "gevent"), strings.Contains(word, "eventlet"), strings.Contains(word, "meinheld"):
		return "use --worker-class gthread --threads N; slow clients and idle connections cost no thread here"
	case strings.Contains(word, "tornado"):
		return "run a Tornado application with Tornado's own server, a WSGI one with --worker-class gthread"
	}
	return "use sync or gthread; what a class of your own does goes into hooks: init_process into post_fork, handle_quit into worker_int, " +
		"handle_abort into worker_abort, handle_request into pre_request and post_request"
}
