package settings

// hookRows: functions of the configuration file that gosrv calls, with the number of arguments they take.
var hookRows = []Setting{
	{
		Name: "on_starting", Section: SectionHooks, Default: Hook("OnStarting.on_starting"), Check: hook, Arity: 1,
		Help: "Called with (server) before the master sets itself up.",
	},
	{
		Name: "on_reload", Section: SectionHooks, Default: Hook("OnReload.on_reload"), Check: hook, Arity: 1,
		Help: "Called with (server) when SIGHUP reloads the configuration.",
	},
	{
		Name: "when_ready", Section: SectionHooks, Default: Hook("WhenReady.when_ready"), Check: hook, Arity: 1,
		Help: "Called with (server) when the sockets listen.",
	},
	{
		Name: "pre_fork", Section: SectionHooks, Default: Hook("Prefork.pre_fork"), Check: hook, Arity: 2,
		Help: "Called with (server, worker) before each worker is forked.",
	},
	{
		Name: "post_fork", Section: SectionHooks, Default: Hook("Postfork.post_fork"), Check: hook, Arity: 2,
		Help: "Called with (server, worker) in a new worker, before the application is loaded.",
	},
	{
		Name: "post_worker_init", Section: SectionHooks, Default: Hook("PostWorkerInit.post_worker_init"), Check: hook, Arity: 1,
		Help: "Called with (worker) in a worker that has loaded the application.",
	},
	{
		Name: "worker_int", Section: SectionHooks, Default: Hook("WorkerInt.worker_int"), Check: hook, Arity: 1,
		Help: "Called with (worker) when a worker gets SIGINT or SIGQUIT.",
	},
	{
		Name: "worker_abort", Section: SectionHooks, Default: Hook("WorkerAbort.worker_abort"), Check: hook, Arity: 1,
		Help: "Called with (worker) when a worker is ended for exceeding timeout.",
	},
	{
		Name: "pre_exec", Section: SectionHooks, Default: Hook("PreExec.pre_exec"), Check: hook, Arity: 1,
		Help: "Called with (server) before a new master is executed on SIGUSR2.",
	},
	{
		Name: "pre_request", Section: SectionHooks, Default: Hook("PreRequest.pre_request"), Check: hook, Arity: 2,
		Help: "Called with (worker, req) before each request.",
	},
	{
		Name: "post_request", Section: SectionHooks, Default: Hook("PostRequest.post_request"), Check: PostRequest, Arity: 4,
		Help: "Called with (worker, req, environ, resp) after each request. The last one or two arguments may be left out of the function.",
	},
	{
		Name: "child_exit", Section: SectionHooks, Default: Hook("ChildExit.child_exit"), Check: hook, Arity: 2,
		Help: "Called with (server, worker) in the master's Python after a worker has ended.",
	},
	{
		Name: "worker_exit", Section: SectionHooks, Default: Hook("WorkerExit.worker_exit"), Check: hook, Arity: 2,
		Help: "Called with (server, worker) in a worker, as its last act.",
	},
	{
		Name: "nworkers_changed", Section: SectionHooks, Default: Hook("NumWorkersChanged.nworkers_changed"), Check: hook, Arity: 3,
		Help: "Called with (server, new_value, old_value) when the number of workers changes.",
	},
	{
		Name: "on_exit", Section: SectionHooks, Default: Hook("OnExit.on_exit"), Check: hook, Arity: 1,
		Help: "Called with (server) before gosrv ends.",
	},
	{
		Name: "ssl_context", Section: SectionHooks, Default: Hook("NewSSLContext.ssl_context"), Check: hook, Arity: 2, Since: "21.0",
		State: Better, Note: "it is called once, and what its context holds is taken over as data: certificates, authorities, versions, suites. sni_callback, PSK and encrypted keys have no counterpart and end the start by name",
		Help: "Called with (config, default_ssl_context_factory) to make the TLS context.",
	},
}

const noDirty = "gosrv has no dirty workers: run such tasks in a task queue (Celery, RQ, Huey)"

// dirtyRows: Gunicorn's pool of stateful worker processes beside the WSGI workers.
var dirtyRows = []Setting{
	{
		Name: "dirty_apps", Section: SectionDirty, Flags: []string{"--dirty-app"}, Metavar: "STRING", Action: Append, Default: []string{}, Check: ListText, Since: "25.0.0",
		State: Unsupported, Note: noDirty,
		Help: "Classes that dirty workers run.",
	},
	{
		Name: "dirty_workers", Section: SectionDirty, Flags: []string{"--dirty-workers"}, Metavar: "INT", Type: Int, Default: 0, Check: posInt, Since: "25.0.0",
		State: Unsupported, Note: noDirty,
		Help: "Number of dirty workers.",
	},
	{
		Name: "dirty_timeout", Section: SectionDirty, Flags: []string{"--dirty-timeout"}, Metavar: "INT", Type: Int, Default: 300, Check: posInt, Since: "25.0.0",
		State: Unsupported, Note: noDirty,
		Help: "Seconds a dirty task may take.",
	},
	{
		Name: "dirty_threads", Section: SectionDirty, Flags: []string{"--dirty-threads"}, Metavar: "INT", Type: Int, Default: 1, Check: posInt, Since: "25.0.0",
		State: Unsupported, Note: noDirty,
		Help: "Threads in each dirty worker.",
	},
	{
		Name: "dirty_graceful_timeout", Section: SectionDirty, Flags: []string{"--dirty-graceful-timeout"}, Metavar: "INT", Type: Int, Default: 30, Check: posInt, Since: "25.0.0",
		State: Unsupported, Note: noDirty,
		Help: "Seconds that stopping dirty workers have.",
	},
	{
		Name: "on_dirty_starting", Section: SectionDirtyHooks, Default: Hook("OnDirtyStarting.on_dirty_starting"), Check: hook, Arity: 1, Since: "25.0.0",
		State: Unsupported, Note: noDirty,
		Help: "Called with (arbiter) before the dirty arbiter starts.",
	},
	{
		Name: "dirty_post_fork", Section: SectionDirtyHooks, Default: Hook("DirtyPostFork.dirty_post_fork"), Check: hook, Arity: 2, Since: "25.0.0",
		State: Unsupported, Note: noDirty,
		Help: "Called with (arbiter, worker) after a dirty worker is forked.",
	},
	{
		Name: "dirty_worker_init", Section: SectionDirtyHooks, Default: Hook("DirtyWorkerInit.dirty_worker_init"), Check: hook, Arity: 1, Since: "25.0.0",
		State: Unsupported, Note: noDirty,
		Help: "Called with (worker) when a dirty worker is ready.",
	},
	{
		Name: "dirty_worker_exit", Section: SectionDirtyHooks, Default: Hook("DirtyWorkerExit.dirty_worker_exit"), Check: hook, Arity: 2, Since: "25.0.0",
		State: Unsupported, Note: noDirty,
		Help: "Called with (arbiter, worker) after a dirty worker has ended.",
	},
}
