package settings

const (
	SectionConfigFile = "Config File"
	SectionSocket     = "Server Socket"
	SectionWorkers    = "Worker Processes"
	SectionSecurity   = "Security"
	SectionDebugging  = "Debugging"
	SectionMechanics  = "Server Mechanics"
	SectionLogging    = "Logging"
	SectionNaming     = "Process Naming"
	SectionHooks      = "Server Hooks"
	SectionSSL        = "SSL"
	SectionHTTP2      = "HTTP/2"
	SectionDirty      = "Dirty Arbiters"
	SectionDirtyHooks = "Dirty Arbiter Hooks"
	SectionControl    = "Control"
	SectionOwn        = "Only in gosrv"
)

// startRows: what to run, where to listen, how many workers, request limits, debugging.
var startRows = []Setting{
	{
		Name: "config", Section: SectionConfigFile, Flags: []string{"-c", "--config"}, Metavar: "CONFIG",
		Default: "./gunicorn.conf.py", Check: anyString,
		Help: "Configuration file: PATH, file:PATH or python:MODULE; PATH.toml is read without Python. A Python file is run; the names it leaves behind are settings. Without this flag ./gunicorn.conf.py is read if it exists, and then ./gosrv.toml or the table [tool.gosrv] of ./pyproject.toml.",
	},
	{
		Name: "wsgi_app", Section: SectionConfigFile, Metavar: "STRING", Check: anyString,
		Help: "Application to run when the command line names none: module, module:name or module:factory(\"literal\").",
	},
	{
		Name: "bind", Section: SectionSocket, Flags: []string{"-b", "--bind"}, Metavar: "ADDRESS", Action: Append,
		Default: []string{"127.0.0.1:8000"}, Check: addresses,
		Help: "Address to listen on: HOST, HOST:PORT, [IPV6]:PORT, unix:PATH, unix:\\0NAME (an abstract socket) or fd://N. May be repeated. If the environment variable PORT is set, the default is 0.0.0.0:$PORT.",
	},
	{
		Name: "backlog", Section: SectionSocket, Flags: []string{"--backlog"}, Metavar: "INT", Type: Int, Default: 2048, Check: posInt,
		Help: "Connections the kernel may hold before a worker accepts them. The kernel lowers it to net.core.somaxconn.",
	},
	{
		Name: "workers", Section: SectionWorkers, Flags: []string{"-w", "--workers"}, Metavar: "INT", Type: Int, Default: 1, Check: posInt, Auto: true,
		State: Better, Note: "auto means 2 x processors + 1, within the CPU quota of the container",
		Help: "Number of worker processes, or auto: twice the processors that the CPU quota allows, and one. The environment variable WEB_CONCURRENCY gives another default. Two to four for each core is a good start for applications that wait for a database.",
	},
	{
		Name: "worker_class", Section: SectionWorkers, Flags: []string{"-k", "--worker-class"}, Metavar: "STRING", Default: "sync", Check: className,
		State: Better, Note: "sync, gthread, gevent and eventlet; slow clients and idle connections cost none of them a thread or a greenlet",
		Help: "How a worker runs the application: sync (one request at a time), gthread (several threads), gevent or eventlet (a greenlet for each request; the package must be installed). Gunicorn's class paths are accepted, and gevent_pywsgi, geventwebsocket's worker and flask_sockets.worker for gevent.",
	},
	{
		Name: "threads", Section: SectionWorkers, Flags: []string{"--threads"}, Metavar: "INT", Type: Int, Default: 1, Check: posInt,
		Help: "Threads in each worker that run the application. More than one turns sync into gthread. gevent and eventlet have no use for it.",
	},
	{
		Name: "worker_connections", Section: SectionWorkers, Flags: []string{"--worker-connections"}, Metavar: "INT", Type: Int, Default: 1000, Check: posInt,
		Help: "Requests that one gthread, gevent or eventlet worker takes on at the same time. Open connections without a request are limited by max_connections instead.",
	},
	{
		Name: "max_requests", Section: SectionWorkers, Flags: []string{"--max-requests"}, Metavar: "INT", Type: Int, Default: 0, Check: posInt,
		State: Better, Note: "it serves on until its successor is ready; with max_requests = 1 it leaves at once",
		Help: "Replace a worker after that many requests, against memory that grows. 0 means never.",
	},
	{
		Name: "max_requests_jitter", Section: SectionWorkers, Flags: []string{"--max-requests-jitter"}, Metavar: "INT", Type: Int, Default: 0, Check: posInt,
		Help: "Random addition of 0 to this many requests to max_requests, for each worker anew. It keeps workers from being replaced all at once.",
	},
	{
		Name: "timeout", Section: SectionWorkers, Flags: []string{"-t", "--timeout"}, Metavar: "INT", Type: Int, Default: 30, Check: posInt, Unit: Seconds,
		Help: "Seconds a request may keep a worker busy before the worker is ended and replaced. 0 means no limit.",
	},
	{
		Name: "graceful_timeout", Section: SectionWorkers, Flags: []string{"--graceful-timeout"}, Metavar: "INT", Type: Int, Default: 30, Check: posInt, Unit: Seconds,
		Help: "Seconds a stopping worker has to finish its requests. After them it is killed.",
	},
	{
		Name: "keepalive", Section: SectionWorkers, Flags: []string{"--keep-alive"}, Metavar: "INT", Type: Int, Default: 2, Check: posInt, Unit: Seconds,
		State: Better, Note: "sync keeps connections alive too, 75 s if nothing else is said; idle ones cost no thread",
		Help: "Seconds to wait for the next request on an open connection. 0 closes the connection after each answer. Class sync waits 75 seconds unless this is set: longer than the balancers in front, which expect its connections to be closed or usable.",
	},
	{
		Name: "limit_request_line", Section: SectionSecurity, Flags: []string{"--limit-request-line"}, Metavar: "INT", Type: Int, Default: 4094, Check: posInt, Unit: Bytes,
		Help: "Longest request line in bytes (method, target and version). 0 means no limit of its own.",
	},
	{
		Name: "limit_request_fields", Section: SectionSecurity, Flags: []string{"--limit-request-fields"}, Metavar: "INT", Type: Int, Default: 100, Check: posInt,
		Help: "Most header fields in one request, 32768 at the highest.",
	},
	{
		Name: "limit_request_field_size", Section: SectionSecurity, Flags: []string{"--limit-request-field_size"}, Metavar: "INT", Type: Int, Default: 8190, Check: posInt, Unit: Bytes,
		Help: "Longest header field in bytes, name and value together. The flag has an underscore, as in Gunicorn.",
	},
	{
		Name: "reload", Section: SectionDebugging, Flags: []string{"--reload"}, Action: StoreTrue, Default: false, Check: AnyBool,
		Help: "Restart workers when a source file of the application changes. For development.",
	},
	{
		Name: "reload_engine", Section: SectionDebugging, Flags: []string{"--reload-engine"}, Metavar: "STRING", Default: "auto", Check: reloadEngine,
		State: NoEffect, Note: "files are looked at once a second, whichever is named",
		Help: "How changed files are noticed: auto, poll or inotify.",
	},
	{
		Name: "reload_extra_files", Section: SectionDebugging, Flags: []string{"--reload-extra-file"}, Metavar: "FILES", Action: Append, Default: []string{}, Check: WatchedFiles,
		Help: "More files to watch with reload, such as templates. May be repeated; patterns with *, ? and [ are looked up again at each check.",
	},
	{
		Name: "spew", Section: SectionDebugging, Flags: []string{"--spew"}, Action: StoreTrue, Default: false, Check: AnyBool,
		Help: "Print every line of Python that runs.",
	},
	{
		Name: "check_config", Section: SectionDebugging, Flags: []string{"--check-config"}, Action: StoreTrue, Default: false, Check: AnyBool,
		Help: "Load configuration and application, say what would run or what is wrong, and exit. The exit code is 0 if nothing is wrong.",
	},
	{
		Name: "print_config", Section: SectionDebugging, Flags: []string{"--print-config"}, Action: StoreTrue, Default: false, Check: AnyBool,
		Help: "Print all settings as they came out of file, environment and command line, then do as check_config.",
	},
}
