package config

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gosrv/cmd/gosrv/internal/acme"
	"gosrv/cmd/gosrv/internal/config/settings"
	"gosrv/cmd/gosrv/internal/listen"
)

// Names of the worker classes gosrv has.
const (
	WorkerSync     = "sync"
	WorkerGThread  = "gthread"
	WorkerGevent   = "gevent"
	WorkerEventlet = "eventlet"
)

// What a name adds to environ.
const (
	addsSocket    = "pywsgi"    // gunicorn.sock
	addsWebSocket = "websocket" // wsgi.websocket
)

// workerName is what one name of a worker class means here.
type workerName struct{ class, variant string }

// workerNames maps every way to name a worker class that Gunicorn users write to what runs here.
var workerNames = map[string]workerName{
	"sync":                                        {class: WorkerSync},
	"gunicorn.workers.sync.SyncWorker":            {class: WorkerSync},
	"egg:gunicorn#sync":                           {class: WorkerSync},
	"gthread":                                     {class: WorkerGThread},
	"gunicorn.workers.gthread.ThreadWorker":       {class: WorkerGThread},
	"egg:gunicorn#gthread":                        {class: WorkerGThread},
	"gevent":                                      {class: WorkerGevent},
	"gunicorn.workers.ggevent.GeventWorker":       {class: WorkerGevent},
	"egg:gunicorn#gevent":                         {class: WorkerGevent},
	"gevent_wsgi":                                 {WorkerGevent, addsSocket},
	"gevent_pywsgi":                               {WorkerGevent, addsSocket},
	"egg:gunicorn#gevent_wsgi":                    {WorkerGevent, addsSocket},
	"egg:gunicorn#gevent_pywsgi":                  {WorkerGevent, addsSocket},
	"gunicorn.workers.ggevent.GeventPyWSGIWorker": {WorkerGevent, addsSocket},
	"geventwebsocket.gunicorn.workers.GeventWebSocketWorker": {WorkerGevent, addsWebSocket},
	"flask_sockets.worker": {WorkerGevent, addsWebSocket},
	"eventlet":             {class: WorkerEventlet},
	"gunicorn.workers.geventlet.EventletWorker": {class: WorkerEventlet},
	"egg:gunicorn#eventlet":                     {class: WorkerEventlet},
}

// WorkerClasses lists the names of the worker classes, in order.
func WorkerClasses() []string {
	classes := map[string]bool{}
	for _, worker := range workerNames {
		classes[worker.class] = true
	}
	return slices.Sorted(maps.Keys(classes))
}

// green tells whether requests of a class run in greenlets.
func green(class string) bool { return class == WorkerGevent || class == WorkerEventlet }

// resolve works out what follows from several settings together. words are the loose words of the command line; dir is
// what relative paths are relative to.
func (cfg *Config) resolve(words []string, dir string) error {
	if err := cfg.resolveWorker(); err != nil {
		return err
	}
	if err := cfg.size(); err != nil {
		return err
	}
	if err := cfg.checkMonitoring(); err != nil {
		return err
	}
	if err := cfg.checkOrders(); err != nil {
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
	worker, known := workerNames[strings.TrimLeft(named, "#")]
	if !known {
		return &Error{Message: fmt.Sprintf("worker_class %s is not supported: %s", settings.ReprText(named), workerAlternative(named))}
	}
	switch {
	case worker.class == WorkerSync && cfg.Int("threads") > 1:
		worker.class = WorkerGThread
	case green(worker.class) && cfg.Int("refork_after") > 0:
		return &Error{Message: fmt.Sprintf("refork_after does not go with worker_class %s: a worker whose greenlets run cannot become the parent of others; use max_requests", settings.ReprText(named))}
	}
	cfg.worker = worker
	return nil
}

// workerWarnings says which settings the worker class has no use for, in Gunicorn as well.
func (cfg *Config) workerWarnings() []Warning {
	if n := cfg.Int("threads"); green(cfg.worker.class) && n > 1 {
		return []Warning{{Setting: "threads", Text: fmt.Sprintf("ignored with worker_class %s, as in Gunicorn: each request runs in a greenlet, worker_connections of them at the same time", cfg.worker.class)}}
	}
	return nil
}

// workerAlternative says what to use instead of a worker class that gosrv does not have.
func workerAlternative(named string) string {
	const hooks = "what a class of your own does goes into hooks: "
	word := strings.ToLower(named)
	switch {
	case strings.Contains(word, "uvicorn"), strings.Contains(word, "asgi"), strings.Contains(word, "aiohttp"), strings.Contains(word, "sanic"):
		return settings.NoASGI
	case strings.Contains(word, "meinheld"):
		return "meinheld is not maintained any more; use --worker-class gevent"
	case strings.Contains(word, "tornado"):
		return "run a Tornado application with Tornado's own server; a WSGI one runs one request at a time on it, as with --worker-class sync"
	case strings.Contains(word, "eventlet"):
		return "use --worker-class eventlet; " + hooks + "what its patch() does into post_fork, the rest of it into post_worker_init"
	case strings.Contains(word, "gevent"):
		return "use --worker-class gevent; " + hooks + "what its patch() does (psycogreen.gevent.patch_psycopg() in most) into post_fork, the rest of init_process into post_worker_init"
	}
	return "use sync, gthread, gevent or eventlet; " + hooks + "init_process into post_fork, handle_quit into worker_int, " +
		"handle_abort into worker_abort, handle_request into pre_request and post_request"
}

// tokenLeast is how long, in bytes, metrics_token must be: it is guessed over a network.
const tokenLeast = 16

// checkMonitoring refuses an address for metrics that cannot be meant, and one that would show a network what the
// server does.
func (cfg *Config) checkMonitoring() error {
	if cfg.Bool("statsd_extended") && cfg.Bool("no_metrics") {
		return &Error{
			Message: "statsd_extended sends what is measured, and no_metrics measures nothing: leave one of them out",
			Source:  cfg.where(settings.ByName["statsd_extended"]), Setting: "statsd_extended", Value: "True",
		}
	}
	if cfg.String("metrics_bind") == "" {
		return nil
	}
	addr, err := cfg.address("metrics_bind")
	if err != nil {
		return err
	}
	token := cfg.String("metrics_token")
	if token != "" && len(token) < tokenLeast {
		return &Error{
			Message: "metrics_token is too short to keep anybody out: it has fewer than " + strconv.Itoa(tokenLeast) + " characters",
			Source:  cfg.where(settings.ByName["metrics_token"]), Setting: "metrics_token", Value: "...",
		}
	}
	if addr.Kind == listen.TCP && token == "" && !isLoopback(addr.Host) {
		return cfg.fault("metrics_bind", "metrics_bind is an address that other machines reach: say by metrics_token (GOSRV_METRICS_TOKEN) who may ask there, "+
			"or bind to 127.0.0.1 or to a unix socket", "")
	}
	return nil
}

// fault is an error about a setting that is a text.
func (cfg *Config) fault(name, message, allowed string) error {
	return &Error{Message: message, Source: cfg.where(settings.ByName[name]), Setting: name, Value: settings.ReprText(cfg.String(name)), Allowed: allowed}
}

// address is that of a setting for one socket of gosrv's own.
func (cfg *Config) address(name string) (listen.Addr, error) {
	const allowed = "HOST:PORT, [IPV6]:PORT or unix:PATH"
	text := cfg.String(name)
	addr, err := listen.ParseAddr(text)
	switch {
	case err != nil:
		return addr, cfg.fault(name, err.Error(), allowed)
	case addr.Kind == listen.FD:
		return addr, cfg.fault(name, name+" takes no inherited descriptor", allowed)
	case addr.Kind == listen.TCP && !strings.HasSuffix(text, ":"+strconv.Itoa(addr.Port)):
		return addr, cfg.fault(name, name+" names no port", allowed)
	}
	return addr, nil
}

// checkOrders refuses orders of certificates that cannot be carried out.
func (cfg *Config) checkOrders() error {
	if cfg.String("acme_http_bind") != "" {
		if _, err := cfg.address("acme_http_bind"); err != nil {
			return err
		}
	}
	if len(cfg.Strings("acme_domain")) == 0 {
		return nil
	}
	if !cfg.Bool("acme_agree") {
		return cfg.fault("acme_domain", "acme_domain orders a certificate, and nobody has agreed to the terms of "+cfg.String("acme_directory")+
			": read them (Let's Encrypt: https://letsencrypt.org/repository/), then set acme_agree (--acme-agree)", "")
	}
	if at, err := url.Parse(acme.URL(cfg.String("acme_directory"))); err != nil || at.Scheme != "https" || at.Host == "" {
		return cfg.fault("acme_directory", "acme_directory is no address of a directory", "letsencrypt, letsencrypt-staging or https://HOST/PATH")
	}
	if cfg.String("acme_storage") == "" {
		if _, err := acme.DefaultStorage(); err != nil {
			return err
		}
	}
	return nil
}

// isLoopback tells whether only this machine reaches a host.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || host == "localhost"
}
