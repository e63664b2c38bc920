package uwsgi

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// setting is one assignment of the printed file.
type setting struct {
	name    string
	values  []string // Python expressions; more than one make a list
	list    bool     // a list even with one value
	sources []string // the lines it comes from
}

// conversion gathers what is to be printed.
type conversion struct {
	file     *file
	settings []*setting
	itself   []string // options that need nothing
	notes    []string // what needs a decision
	none     []string // what has no equivalent
	unknown  []string

	// What is decided when all lines have been read.
	app, callable string   // of module or wsgi-file, and of callable
	http, uwsgi   []option // sockets
	socketsHTTP   bool     // protocol = http: socket speaks it, too
	lazyApps      bool
	noRequestLog  bool
	logPath       text // where uWSGI's one log goes
	directory     text // chdir
}

func newConversion(f *file) *conversion { return &conversion{file: f} }

// run reads all options.
func (c *conversion) run() {
	list := c.file.options()
	for _, o := range list {
		if o.key == "chdir" {
			c.directory = o.value
		}
	}
	for _, o := range list {
		c.one(o)
	}
	c.finishApp()
	c.finishSockets()
	c.finishProcesses()
	c.finishLogs()
	for _, l := range c.file.asides {
		c.note(l.where, "`%s = %s` holds only where `%s`", l.key, l.raw, l.condition)
	}
}

func (c *conversion) one(o option) {
	r, ok := find(o.key)
	if len(o.open) > 0 && o.key != "log-format" && o.key != "logformat" {
		if ok && !r.itself && r.none == "" {
			c.note(o.where, "`%s = %s`: what %s stands for is known only to uWSGI", o.key, o.raw, strings.Join(o.open, " and "))
		}
		return
	}
	switch {
	case !ok && c.file.used[o.key] || !ok && c.file.used[strings.ReplaceAll(o.key, "-", "_")]:
		// A name of the user's own: it is in the values that refer to it.
	case !ok:
		c.unknown = append(c.unknown, fmt.Sprintf("%s: %s", o.where, o.key))
	case r.itself:
		c.itself = append(c.itself, o.key)
	case r.none != "":
		c.none = append(c.none, fmt.Sprintf("%s: %s: %s", o.where, o.key, r.none))
	case r.more != nil:
		r.more(c, o)
	case r.text != "":
		c.set(o, r.text, o.value.str())
	case r.number != "":
		c.number(o, r.number)
	case r.flag != "":
		if o.value.yes() {
			c.set(o, r.flag, "True")
		}
	}
}

// note adds something to decide.
func (c *conversion) note(where, format string, args ...any) {
	c.notes = append(c.notes, where+": "+fmt.Sprintf(format, args...))
}

func source(o option) string { return fmt.Sprintf("%s: %s = %s", o.where, o.key, o.raw) }

// named gives the setting of a name, made if need be.
func (c *conversion) named(name string) *setting {
	for _, s := range c.settings {
		if s.name == name {
			return s
		}
	}
	s := &setting{name: name}
	c.settings = append(c.settings, s)
	return s
}

// set assigns; a later line wins.
func (c *conversion) set(o option, name, value string) {
	s := c.named(name)
	s.values, s.sources = []string{value}, append(s.sources, source(o))
}

// add makes a list longer.
func (c *conversion) add(o option, name, value string) {
	s := c.named(name)
	s.list, s.values, s.sources = true, append(s.values, value), append(s.sources, source(o))
}

func (c *conversion) number(o option, name string) {
	if value, ok := o.value.number(); ok {
		c.set(o, name, value)
		return
	}
	c.note(o.where, "`%s = %s` is no number", o.key, o.raw)
}

// --- application --------------------------------------------------------------

var moduleName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`) })

// loaded takes what names an application, and leaves a setting for finishApp.
func (c *conversion) loaded(o option, app string) {
	module, _, _ := strings.Cut(app, ":")
	if !moduleName().MatchString(module) {
		c.note(o.where, "`%s = %s`: %q is no module that Python can import; rename the file", o.key, o.raw, module)
		return
	}
	c.app = app
	c.named("wsgi_app").sources = []string{source(o)}
}

// module takes module:callable; a file there is as good as in wsgi-file.
func (c *conversion) module(o option) {
	s, plain := o.value.plain()
	switch {
	case !plain:
		c.set(o, "wsgi_app", o.value.str())
	case strings.HasSuffix(s, ".py"):
		c.wsgiFile(o)
	default:
		c.loaded(o, s)
	}
}

// wsgiFile makes a module of a path, in its folder.
func (c *conversion) wsgiFile(o option) {
	s, plain := o.value.plain()
	if !plain {
		c.note(o.where, "`%s = %s`: name the application as module:callable in wsgi_app", o.key, o.raw)
		return
	}
	folder, base := path.Split(s)
	if folder = path.Clean(folder); folder != "." {
		at := literal(folder)
		if !path.IsAbs(folder) && len(c.directory) > 0 {
			at = c.directory.and("/" + folder)
		}
		c.addPath(o, at)
	}
	c.loaded(o, strings.TrimSuffix(base, ".py"))
}

func (c *conversion) callableName(o option) {
	c.callable, _ = o.value.plain()
	s := c.named("wsgi_app")
	s.sources = append(s.sources, source(o))
}

// mount is PREFIX=APPLICATION; one is an application, more are several.
func (c *conversion) mount(o option) {
	s, plain := o.value.plain()
	prefix, app, ok := strings.Cut(s, "=")
	if !plain || !ok {
		c.note(o.where, "`%s = %s` cannot be read", o.key, o.raw)
		return
	}
	if c.app != "" {
		c.note(o.where, "`mount = %s`: gosrv serves one application; run another gosrv for this one, or a dispatcher (werkzeug's DispatcherMiddleware)", s)
		return
	}
	o.value = literal(app)
	if strings.HasSuffix(app, ".py") {
		c.wsgiFile(o)
	} else {
		c.loaded(o, app)
	}
	if prefix = strings.TrimSuffix(prefix, "/"); prefix != "" {
		c.add(o, "raw_env", quote("SCRIPT_NAME="+prefix))
	}
}

func (c *conversion) finishApp() {
	s := c.named("wsgi_app")
	switch {
	case c.app == "" && len(s.values) == 0:
		c.drop("wsgi_app")
		c.note("missing", "no module, wsgi-file or mount: name the application on the command line, `gosrv module:callable`")
	case c.app == "":
	case strings.Contains(c.app, ":"):
		s.values = []string{quote(c.app)}
	case c.callable != "":
		s.values = []string{quote(c.app + ":" + c.callable)}
	default:
		s.values = []string{quote(c.app + ":application")}
	}
}

func (c *conversion) drop(name string) {
	for i, s := range c.settings {
		if s.name == name {
			c.settings = append(c.settings[:i], c.settings[i+1:]...)
			return
		}
	}
}

func (c *conversion) pythonpath(o option) { c.addPath(o, o.value) }

func (c *conversion) addPath(o option, folder text) {
	s := c.named("pythonpath")
	value := folder.str()
	for _, known := range s.values {
		if known == value {
			return
		}
	}
	s.values, s.sources = append(s.values, value), append(s.sources, source(o))
}

func (c *conversion) virtualenv(o option) {
	c.note(o.where, "`%s = %s`: install gosrv there, or start it with --python and its bin/python", o.key, o.raw)
}

func (c *conversion) env(o option) {
	if o.key == "env-file" {
		c.note(o.where, "`%s = %s`: EnvironmentFile= of systemd, or raw_env", o.key, o.raw)
		return
	}
	c.add(o, "raw_env", o.value.str())
}

// --- sockets ------------------------------------------------------------------

func (c *conversion) httpSocket(o option) { c.http = append(c.http, o) }

func (c *conversion) uwsgiSocket(o option) { c.uwsgi = append(c.uwsgi, o) }

func (c *conversion) protocol(o option) {
	if s, _ := o.value.plain(); s == "http" || s == "http11" {
		c.socketsHTTP = true
	} else if s != "uwsgi" {
		c.note(o.where, "`%s = %s`: gosrv speaks HTTP only", o.key, o.raw)
	}
}

// finishSockets: what speaks HTTP stays. Only where nothing did, the socket of
// the uwsgi protocol is the one behind nginx.
func (c *conversion) finishSockets() {
	if c.socketsHTTP {
		c.http, c.uwsgi = append(c.http, c.uwsgi...), nil
	}
	sockets := c.http
	for _, o := range c.uwsgi {
		if len(c.http) > 0 {
			c.note(o.where, "`%s = %s` spoke the uwsgi protocol; it is left out, as there is an HTTP socket", o.key, o.raw)
			continue
		}
		c.note(o.where, "`%s = %s` spoke the uwsgi protocol, gosrv speaks HTTP: in nginx write `proxy_pass http://...` for uwsgi_pass, and "+
			"proxy_set_header for uwsgi_params", o.key, o.raw)
		sockets = append(sockets, o)
	}
	for _, o := range sockets {
		c.add(o, "bind", address(o.value).str())
	}
	if len(sockets) == 0 {
		c.note("missing", "no socket: uWSGI got it from elsewhere (emperor, systemd); gosrv listens at 127.0.0.1:8000 if nobody passes one")
	}
}

// address is a socket as gosrv's bind names it.
func address(t text) text {
	s, plain := t.plain()
	switch {
	case t.starts(":"):
		return t.with("0.0.0.0")
	case t.starts("fd://"):
		return t
	case t.starts("@"): // an abstract socket: to Gunicorn, and so to gosrv, a file's name may begin like this
		rest := append(text{}, t...)
		rest[0].literal = rest[0].literal[1:]
		return rest.with("unix:\x00")
	case t.starts("/"), t.starts("./"):
		return t.with("unix:")
	case plain && regexp.MustCompile(`^\d+$`).MatchString(s):
		return literal("fd://" + s) // uWSGI: the number of an inherited socket
	case plain && strings.Contains(s, "/"), plain && !strings.Contains(s, ":"):
		return t.with("unix:")
	}
	return t
}

// chmodSocket: gosrv makes unix sockets with what umask leaves of 0777.
func (c *conversion) chmodSocket(o option) {
	s, _ := o.value.plain()
	mode, err := strconv.ParseUint(s, 8, 16)
	if err != nil || mode > 0o777 {
		mode = 0o666 // uWSGI's own without a value
	}
	c.set(o, "umask", fmt.Sprintf("0o%03o", 0o777&^mode&^0o111))
	c.note(o.where, "`%s = %s` became umask, which the application's own files get, too", o.key, o.raw)
}

func (c *conversion) umask(o option) {
	s, _ := o.value.plain()
	mode, err := strconv.ParseUint(s, 8, 16)
	if err != nil {
		c.note(o.where, "`umask = %s` is no octal number", o.raw)
		return
	}
	c.set(o, "umask", fmt.Sprintf("0o%03o", mode))
}

// --- processes ----------------------------------------------------------------

func (c *conversion) lazy(o option) { c.lazyApps = o.value.yes() }

// finishProcesses says where the two servers' defaults differ.
func (c *conversion) finishProcesses() {
	if !c.lazyApps {
		s := c.named("preload_app")
		s.values, s.sources = []string{"True"}, []string{"uWSGI loads the application before it forks, unless lazy-apps is set"}
	}
	if s := c.named("timeout"); len(s.values) == 0 {
		s.values, s.sources = []string{"0"}, []string{"no harakiri: uWSGI waits for a request without end"}
	}
}

func (c *conversion) autoreload(o option) {
	if o.value.yes() {
		c.set(o, "reload", "True")
	}
}

func (c *conversion) keepalive(o option) {
	if n, ok := o.value.number(); ok && n != "1" {
		c.set(o, "keepalive", n)
	}
}

// bufferSize bounds the whole head of a request in uWSGI, each part here.
func (c *conversion) bufferSize(o option) {
	s, plain := o.value.plain()
	n, err := strconv.Atoi(s)
	if !plain || err != nil {
		c.note(o.where, "`%s = %s`: see limit_request_line and limit_request_field_size", o.key, o.raw)
		return
	}
	c.set(o, "limit_request_line", strconv.Itoa(min(n, 8190)))
	c.set(o, "limit_request_field_size", strconv.Itoa(n))
}
