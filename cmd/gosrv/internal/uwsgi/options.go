package uwsgi

import "strings"

// rule is what becomes of an option. Exactly one field is set.
type rule struct {
	text   string                    // a setting whose value is the text
	number string                    // a setting whose value is a number
	flag   string                    // a setting that is True when the flag is on
	itself bool                      // gosrv does it, there is nothing to say
	none   string                    // no equivalent: what to use instead
	more   func(*conversion, option) // it decides together with others, see convert.go
}

// rules has the options by their main name; aliases leads there from others.
// The page docs/from-uwsgi.md lists the same, which a test compares.
var rules = map[string]rule{
	"module":             {more: (*conversion).module},
	"wsgi-file":          {more: (*conversion).wsgiFile},
	"callable":           {more: (*conversion).callableName},
	"mount":              {more: (*conversion).mount},
	"http-socket":        {more: (*conversion).httpSocket},
	"http":               {more: (*conversion).httpSocket},
	"socket":             {more: (*conversion).uwsgiSocket},
	"protocol":           {more: (*conversion).protocol},
	"https":              {none: "gosrv speaks plain HTTP: let nginx or the load balancer hold the certificate"},
	"fastcgi-socket":     {none: "gosrv speaks HTTP: use proxy_pass in the web server"},
	"scgi-socket":        {none: "gosrv speaks HTTP: use proxy_pass in the web server"},
	"chmod-socket":       {more: (*conversion).chmodSocket},
	"chown-socket":       {none: "the socket belongs to the settings user and group"},
	"listen":             {number: "backlog"},
	"reuse-port":         {flag: "reuse_port"},
	"processes":          {number: "workers"},
	"threads":            {number: "threads"},
	"lazy-apps":          {more: (*conversion).lazy},
	"harakiri":           {number: "timeout"},
	"max-requests":       {number: "max_requests"},
	"max-requests-delta": {number: "max_requests_jitter"},
	"reload-mercy":       {number: "graceful_timeout"},
	"chdir":              {text: "chdir"},
	"pythonpath":         {more: (*conversion).pythonpath},
	"virtualenv":         {more: (*conversion).virtualenv},
	"env":                {more: (*conversion).env},
	"uid":                {text: "user"},
	"gid":                {text: "group"},
	"umask":              {more: (*conversion).umask},
	"pidfile":            {text: "pidfile"},
	"procname":           {text: "proc_name"},
	"procname-prefix":    {text: "proc_name"},
	"daemonize":          {more: (*conversion).daemonize},
	"logto":              {more: (*conversion).logto},
	"req-logger":         {more: (*conversion).reqLogger},
	"logger":             {more: (*conversion).logger},
	"disable-logging":    {more: (*conversion).disableLogging},
	"log-format":         {more: (*conversion).logFormat},
	"buffer-size":        {more: (*conversion).bufferSize},
	"limit-post":         {number: "limit_request_body"},
	"http-timeout":       {number: "body_timeout"},
	"socket-timeout":     {number: "write_timeout"},
	"http-keepalive":     {more: (*conversion).keepalive},
	"py-autoreload":      {more: (*conversion).autoreload},

	"master": {itself: true}, "vacuum": {itself: true}, "die-on-term": {itself: true}, "need-app": {itself: true},
	"enable-threads": {itself: true}, "single-interpreter": {itself: true}, "thunder-lock": {itself: true},
	"no-orphans": {itself: true}, "post-buffering": {itself: true}, "offload-threads": {itself: true},
	"auto-procname": {itself: true}, "plugins": {itself: true}, "strict": {itself: true},
	"ignore-sigpipe": {itself: true}, "ignore-write-errors": {itself: true}, "disable-write-exception": {itself: true},
	"close-on-exec": {itself: true}, "tcp-nodelay": {itself: true}, "log-master": {itself: true}, "log-reopen": {itself: true},
	"log-date": {itself: true}, "show-config": {itself: true}, "memory-report": {itself: true}, "optimize": {itself: true},
	"manage-script-name": {itself: true}, "wsgi-manage-chunked-input": {itself: true}, "http-chunked-input": {itself: true},
	"http-auto-chunked": {itself: true}, "py-call-osafterfork": {itself: true}, "no-threads-wait": {itself: true}, "no-site": {itself: true}, "threads-stacksize": {itself: true}, "so-keepalive": {itself: true},
	"set-placeholder": {itself: true}, "set-ph": {itself: true}, "set": {itself: true}, "print": {itself: true},

	"lazy-touch":                {none: "gosrv reload, or kill -HUP"},
	"touch-reload":              {none: "gosrv reload (or kill -HUP) where the file was touched; in development --reload-extra-file"},
	"static-map":                {none: "let nginx serve static files, or WhiteNoise in the application"},
	"check-static":              {none: "let nginx serve static files, or WhiteNoise in the application"},
	"cheaper":                   {none: "the number of workers is fixed; TTIN and TTOU change it by hand, WEB_CONCURRENCY at the start"},
	"reload-on-rss":             {none: "max_requests with max_requests_jitter bounds what a leak can cost"},
	"max-worker-lifetime":       {none: "max_requests with max_requests_jitter"},
	"min-worker-lifetime":       {none: "workers that do not become ready are paced from 0.1 s to 5 s by themselves"},
	"attach-daemon":             {none: "a systemd unit or a container of its own for each daemon"},
	"mule":                      {none: "a task queue (Celery, RQ) or a systemd unit"},
	"spooler":                   {none: "a task queue (Celery, RQ)"},
	"cron":                      {none: "cron or a systemd timer"},
	"cache":                     {none: "Redis or memcached"},
	"sharedarea":                {none: "Redis, or multiprocessing.shared_memory in post_fork"},
	"queue":                     {none: "Redis"},
	"emperor":                   {none: "one systemd unit for each application: gosrv@.service"},
	"vassal":                    {none: "one systemd unit for each application: gosrv@.service"},
	"legion":                    {none: "the orchestrator's own health checks"},
	"subscribe":                 {none: "the load balancer's own service discovery"},
	"fastrouter":                {none: "nginx or another load balancer"},
	"stats":                     {none: "gosrv status, and the statsd settings"},
	"carbon":                    {none: "the statsd settings"},
	"snmp":                      {none: "gosrv status, and the statsd settings"},
	"route":                     {none: "rules of nginx, or a middleware"},
	"add-header":                {none: "a middleware, or add_header of nginx"},
	"gevent":                    {none: "worker_class = \"gevent\", with worker_connections as its number; the package gevent has to be installed"},
	"asyncio":                   {none: "threads; what needs an event loop has to run on an ASGI server"},
	"async":                     {none: "threads"},
	"ugreen":                    {none: "threads"},
	"paste":                     {none: "a module that makes the application, e.g. by paste.deploy.loadapp"},
	"hook":                      {none: "the server hooks of gunicorn.conf.py (on_starting, post_fork, ...)"},
	"exec":                      {none: "the server hooks of gunicorn.conf.py, ExecStartPre= of systemd"},
	"import":                    {none: "import it in the application, or in post_worker_init"},
	"log":                       {none: "the loggers of the application; logrotate and kill -USR1 for files"},
	"log-x-forwarded-for":       {none: "access_log_format with %({x-forwarded-for}i)s for %(h)s"},
	"cpu-affinity":              {none: "CPUAffinity= of systemd; the kernel does well by itself"},
	"limit-as":                  {none: "MemoryMax= of systemd, or the container's limit"},
	"rlimit":                    {none: "Limit...= of systemd"},
	"cgroup":                    {none: "systemd or the container"},
	"chroot":                    {none: "RootDirectory= of systemd, or a container"},
	"harakiri-verbose":          {none: "a worker that runs out of time logs where it stands and is replaced, without further options"},
	"http-websockets":           {none: "an ASGI server"},
	"idle":                      {none: "systemd socket activation starts gosrv at the first request; it does not end when idle"},
	"zerg":                      {none: "gosrv upgrade, or kill -USR2"},
	"honour-stdin":              {none: "nothing: a worker's standard input is the master's"},
	"max-fd":                    {none: "LimitNOFILE= of systemd, ulimit -n"},
	"master-fifo":               {none: "gosrv reload, stop, upgrade and status, or signals"},
	"catch-exceptions":          {none: "the debug pages of the framework, in development"},
	"wsgi-disable-file-wrapper": {none: "sendfile = False, if the file system cannot do it"},
	"ssl":                       {none: "gosrv speaks plain HTTP: let nginx or the load balancer hold the certificate"},
}

// aliases leads from other spellings to the name in rules.
var aliases = map[string]string{
	"wsgi": "module", "w": "module", "file": "wsgi-file", "http11-socket": "http-socket", "uwsgi-socket": "socket", "s": "socket",
	"unix-socket": "socket", "workers": "processes", "p": "processes", "lazy": "lazy-apps", "t": "harakiri", "R": "max-requests",
	"worker-reload-mercy": "reload-mercy", "python-path": "pythonpath", "pp": "pythonpath", "venv": "virtualenv", "home": "virtualenv",
	"pyhome": "virtualenv", "H": "virtualenv", "d": "daemonize", "daemonize2": "daemonize", "logto2": "logto", "L": "disable-logging",
	"logformat": "log-format", "b": "buffer-size", "l": "listen", "M": "master", "m": "master", "T": "enable-threads", "plugin": "plugins",
	"need-plugin": "plugins", "need-plugins": "plugins", "plugins-dir": "plugins", "plugin-dir": "plugins", "chmod": "chmod-socket",
	"chown": "chown-socket", "pidfile2": "pidfile", "safe-pidfile": "pidfile", "safe-pidfile2": "pidfile", "touch-workers-reload": "touch-reload",
	"touch-chain-reload": "touch-reload", "fs-reload": "touch-reload", "python-autoreload": "py-autoreload", "python-auto-reload": "py-autoreload",
	"py-auto-reload": "py-autoreload", "evil-reload-on-rss": "reload-on-rss", "reload-on-as": "reload-on-rss",
	"evil-reload-on-as": "reload-on-rss", "smart-attach-daemon": "attach-daemon", "shared-import": "import", "python-import": "import",
	"pyimport": "import", "py-import": "import", "cheap": "idle", "die-on-idle": "idle", "env-file": "env", "setenv": "env",
	"threaded-logger": "log", "memory-report-full": "memory-report", "m-report": "memory-report", "http-raw-body": "http-chunked-input",
	"post-buffering-bufsize": "post-buffering", "so-send-timeout": "socket-timeout", "as-is": "print", "procname-prefix-spaced": "procname-prefix",
	"cheaper-initial": "cheaper", "cheaper-step": "cheaper", "cheaper-algo": "cheaper", "gevent-monkey-patch": "gevent", "i": "single-interpreter", "socket-protocol": "protocol",
}

// families are options that come in many kinds, by what they begin with.
var families = []string{
	"cheaper", "cache", "emperor", "vassal", "legion", "subscribe", "fastrouter", "stats", "carbon", "snmp", "route", "gevent",
	"asyncio", "hook", "exec", "static", "spooler", "mule", "cron", "log", "rlimit", "cgroup", "zerg", "queue", "sharedarea",
	"attach-daemon", "smart-attach-daemon", "ssl", "harakiri", "farm", "unique-cron", "legion-cron", "http-socket-modifier", "final-route", "error-route", "response-route",
}

// familyHeads are those whose rule has another name than their beginning.
var familyHeads = map[string]string{
	"static": "static-map", "smart-attach-daemon": "attach-daemon", "harakiri": "harakiri-verbose", "farm": "mule", "unique-cron": "cron",
	"legion-cron": "cron", "http-socket-modifier": "plugins", "final-route": "route", "error-route": "route", "response-route": "route",
}

// find gives the rule of an option.
func find(key string) (rule, bool) {
	if main, ok := aliases[key]; ok {
		key = main
	}
	if r, ok := rules[key]; ok {
		return r, true
	}
	for _, family := range families {
		if !strings.HasPrefix(key, family) {
			continue
		}
		if head, ok := familyHeads[family]; ok {
			family = head
		}
		return rules[family], true
	}
	return rule{}, false
}
