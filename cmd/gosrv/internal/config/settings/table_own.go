package settings

// ownRows: settings that Gunicorn does not have. Their flags never match an abbreviation that means a Gunicorn flag.
var ownRows = []Setting{
	{
		Name: "python", Section: SectionOwn, Flags: []string{"--python"}, Metavar: "PATH", Check: anyString, Since: "gosrv",
		Help: "Python interpreter to embed, for example venv/bin/python. The environment variable GOSRV_PYTHON gives a default. Without either it is the virtual environment gosrv lies in, $VIRTUAL_ENV, or python3 on PATH. Not for the configuration file, which Python itself runs.",
	},
	{
		Name: "program", Section: SectionOwn, Flags: []string{"--program"}, Metavar: "FILE", Check: anyString, Since: "gosrv",
		Help: "Python program that makes its own server with gunicorn.app.base.BaseApplication, or python:MODULE. It is run up to the run() of its application, whose settings and load() are then served; further words are the program's arguments. Not for the configuration file, whose place the program takes.",
	},
	{
		Name: "limit_request_body", Section: SectionOwn, Flags: []string{"--limit-request-body"}, Metavar: "INT", Type: Int, Default: 0, Check: posInt, Unit: Bytes, Since: "gosrv",
		Help: "Largest request body in bytes; a larger one is answered 413. 0 means no limit.",
	},
	{
		Name: "header_timeout", Section: SectionOwn, Flags: []string{"--header-timeout"}, Metavar: "INT", Type: Int, Default: 10, Check: posInt, Unit: Seconds, Since: "gosrv",
		Help: "Seconds a client has to send a complete request head. 0 means no limit.",
	},
	{
		Name: "body_timeout", Section: SectionOwn, Flags: []string{"--body-timeout"}, Metavar: "INT", Type: Int, Default: 30, Check: posInt, Unit: Seconds, Since: "gosrv",
		Help: "Seconds without a byte of the request body after which it is answered 408; also the time over which a body must keep to 500 bytes a second. 0 means no limit.",
	},
	{
		Name: "write_timeout", Section: SectionOwn, Flags: []string{"--write-timeout"}, Metavar: "INT", Type: Int, Default: 60, Check: posInt, Unit: Seconds, Since: "gosrv",
		Help: "Seconds in which a client takes nothing of the answer, after which the connection is closed; also the time over which it must keep to 500 bytes a second. 0 means no limit.",
	},
	{
		Name: "request_timeout", Section: SectionOwn, Flags: []string{"--request-timeout"}, Metavar: "INT", Type: Int, Default: 0, Check: posInt, Since: "gosrv",
		Help: "Seconds that the application may take for one request, or for one piece of an answer in pieces, in any worker class. A request over it is answered 504 if nothing of the answer was sent, and logged with the Python stacks of all threads; its worker is replaced, after the other requests in it have been answered. 0 means that only class sync limits a request, by timeout.",
	},
	{
		Name: "max_connections", Section: SectionOwn, Flags: []string{"--max-connections"}, Metavar: "INT", Type: Int, Default: 0, Check: posInt, Since: "gosrv",
		Help: "Open connections in one worker. One more closes the one that has been idle longest. 0 takes it from the limit of file descriptors.",
	},
	{
		Name: "stream_request_body", Section: SectionOwn, Flags: []string{"--stream-request-body"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "gosrv",
		Help: "Call the application when the request head is complete and let wsgi.input read the body as it comes, for large uploads to storage and for bodies without end. By default a body is received first, in memory or in a file, and costs no thread meanwhile; with this setting each slow upload holds a thread (a worker, in class sync) for as long as it takes, within body_timeout, and none of it is handed over to another worker.",
	},
	{
		Name: "server_header", Section: SectionOwn, Flags: []string{"--server-header"}, Metavar: "VALUE", Default: "gosrv", Check: headerValue, Since: "gosrv",
		Help: "Value of the header Server in every answer; off leaves the header out. Gunicorn sends gunicorn; gunicorn.SERVER = \"...\" in a configuration file is obeyed as there.",
	},
	{
		Name: "permit_missing_host", Section: SectionOwn, Flags: []string{"--permit-missing-host"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "gosrv",
		Help: "Accept HTTP/1.1 requests without a Host header, as Gunicorn does.",
	},
	{
		Name: "permit_fragment", Section: SectionOwn, Flags: []string{"--permit-fragment"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "gosrv",
		Help: "Accept request targets with a fragment, #..., as Gunicorn does. It stays in RAW_URI only.",
	},
	{
		Name: "no_hand_over", Section: SectionOwn, Flags: []string{"--no-hand-over"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "gosrv",
		Help: "Leave the connections of a worker that is inside the application to that worker. Without it, another worker that has nothing to do serves their requests meanwhile (class sync with one thread).",
	},
	{
		Name: "warm_up", Section: SectionOwn, Flags: []string{"--warm-up"}, Metavar: "URL", Action: Append, Default: []string{}, Check: warmUpURLs, Since: "gosrv",
		Help: "Page that the application is asked for before it serves, as a path or as a URL whose host it shall see; may be repeated. What an application loads with its first request (URL tables, templates, an admin site) is there then, and with preload_app all workers share it: on a Django project with 4 workers that is an eighth of the memory of the whole tree. The answer is thrown away; one that fails is logged and stops nothing.",
	},
	{
		Name: "reload_one_by_one", Section: SectionOwn, Flags: []string{"--reload-one-by-one"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "gosrv",
		Help: "At HUP, replace one worker after the other, where memory is too short for all workers twice. The first new worker must be ready before an old one leaves, so that code that does not load changes nothing; after that each pair in turn, so that old and new code serve beside each other for longer. Without it, all new workers are ready before the first old one leaves.",
	},
	{
		Name: "refork_after", Section: SectionOwn, Flags: []string{"--refork-after"}, Metavar: "INT", Type: Int, Default: 0, Check: posInt, Since: "gosrv",
		Help: "Once a worker has served this many requests, let it fork a new zygote when its successor is ready, and replace all workers by ones that are forked from that, one after the other; 0: never. What an application loads and keeps while it serves is then shared by all workers, as what an import loads is with preload_app: on a Django project with 4 workers that is a tenth less memory with preload_app, and a third less without it. It happens once after each start and each reload. The application must bear being forked: threads and connections that it has at that moment are named in a warning. Not with reload.",
	},
	{
		Name: "no_share_stdlib", Section: SectionOwn, Flags: []string{"--no-share-stdlib"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "gosrv",
		Help: "Let each worker import the standard library's modules itself. Without it, and without preload_app, those that the first worker has imported with the application are imported once, before the other workers are forked from there (Python's own only, nothing of the application or its packages): on a Django project that is a sixth less memory for each worker. The process that forks ends when no worker has been wanted for 10 s, and is started again for the next one; it stays if a configuration file or a hook has run in it, and with max_requests, refork_after or logging of Python's own. They are remembered for the next start in $XDG_CACHE_HOME/gosrv or ~/.cache/gosrv, if the user can write there. Not with reload, one worker, or an application that gevent or eventlet patches.",
	},
	{
		Name: "allow_new_privileges", Section: SectionOwn, Flags: []string{"--allow-new-privileges"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "gosrv",
		Help: "Let the application start programs that give it more rights than its user has, such as sudo. Without it, workers that were started by root and run as another user (user, group) can never get privileges again: sudo and other set-user-ID programs do not work in them (PR_SET_NO_NEW_PRIVS). Workers whose user is not changed are not touched.",
	},
	{
		Name: "metrics_bind", Section: SectionOwn, Flags: []string{"--metrics-bind"}, Metavar: "ADDRESS", Check: anyString, Since: "gosrv",
		Help: "Address (HOST:PORT or unix:PATH) at which the server shows how it is, whatever its workers are at: a page for people at /, /metrics for Prometheus and OpenMetrics, /status.json, /livez and /readyz. By default there is none. An address beyond this machine needs metrics_token.",
	},
	{
		Name: "metrics_token", Section: SectionOwn, Flags: []string{"--metrics-token"}, Metavar: "TOKEN", Check: anyString, Since: "gosrv",
		Help: "Who asks at metrics_bind must show this, as Authorization: Bearer TOKEN or as the password that a browser asks for; at least 16 characters. Best given by the environment variable GOSRV_METRICS_TOKEN, which ps does not show. Requests' paths are shown with it, or on a unix socket, only. /livez and /readyz need none.",
	},
	{
		Name: "health_path", Section: SectionOwn, Flags: []string{"--health-path"}, Metavar: "PATH", Check: healthPath, Since: "gosrv",
		Help: "Path that the server answers itself to GET and HEAD, on its own addresses and whatever the application is at, for load balancers and Kubernetes: 200 while requests are served, though they may wait, and 503 before a worker is ready or once the server stops. Such requests reach neither the application nor the access log. By default there is none.",
	},
	{
		Name: "statsd_extended", Section: SectionOwn, Flags: []string{"--statsd-extended"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "gosrv",
		Help: "Send statsd_host what gosrv measures, too: what each request waited for (gosrv.request.queue, .gil, .application ...), and once a second counts and gauges of the whole server (gosrv.timeouts.request, gosrv.capacity.used_percent ...). Gunicorn's names stay as they are.",
	},
	{
		Name: "no_metrics", Section: SectionOwn, Flags: []string{"--no-metrics"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "gosrv",
		Help: "Measure nothing of requests. Without it, workers keep counts and histograms of what each request waited for in shared memory, which metrics_bind, gosrv top and gosrv status show, at less than a hundredth of the time of the smallest request.",
	},
	{
		Name: "no_environ_memo", Section: SectionOwn, Flags: []string{"--no-environ-memo"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "gosrv",
		Help: "Parse every request's headers and build its environ from nothing. Without it, what repeats (a whole header block, a line of it, the set of names) costs a comparison and a copy. The application sees no difference; the setting is for measurements.",
	},
}
