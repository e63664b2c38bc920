package settings

// mechanicsRows: processes, users, files, trust in proxies.
var mechanicsRows = []Setting{
	{
		Name: "preload_app", Section: SectionMechanics, Flags: []string{"--preload"}, Action: StoreTrue, Default: false, Check: AnyBool,
		State: Better, Note: "memory is frozen before the fork, so that workers share it for longer",
		Help: "Import the application once, before the workers are forked. They start faster and share memory.",
	},
	{
		Name: "sendfile", Section: SectionMechanics, Flags: []string{"--no-sendfile"}, Action: StoreFalse, Check: AnyBool,
		Help: "Do without sendfile(2) for files that the application returns through wsgi.file_wrapper. sendfile = False in a file and SENDFILE=0 in the environment mean the same.",
	},
	{
		Name: "reuse_port", Section: SectionMechanics, Flags: []string{"--reuse-port"}, Action: StoreTrue, Default: false, Check: AnyBool,
		State: Better, Note: "the sockets are the master's: they outlive their workers, and what waits in them is served",
		Help: "Give each worker a listening socket of its own for each TCP address, with SO_REUSEPORT: the kernel spreads connections over them evenly, whatever the workers are at. The master keeps them and hands them from worker to successor; while a worker is not there the others serve its socket. When there are fewer workers, the socket of the last one takes no more connections and is closed half a second later, once it is empty: a client whose handshake takes longer than that is refused, one whose SYN meets that half second connects at its second attempt.",
	},
	{
		Name: "chdir", Section: SectionMechanics, Flags: []string{"--chdir"}, Default: Computed("the current directory"), Check: directory,
		Help: "Change to this directory before the application is loaded. It also comes first in sys.path, by the name it has here or in $PWD: where that is a link to a release, a reload follows it.",
	},
	{
		Name: "daemon", Section: SectionMechanics, Flags: []string{"-D", "--daemon"}, Action: StoreTrue, Default: false, Check: AnyBool,
		Help: "Detach from the terminal and run in the background. The configuration file is evaluated twice: once before, so that its mistakes are told on the terminal, and once by the server that stays.",
	},
	{
		Name: "raw_env", Section: SectionMechanics, Flags: []string{"-e", "--env"}, Metavar: "ENV", Action: Append, Default: []string{}, Check: ListText,
		Help: "Environment variable for the application, as KEY=VALUE. May be repeated.",
	},
	{
		Name: "pidfile", Section: SectionMechanics, Flags: []string{"-p", "--pid"}, Metavar: "FILE", Check: anyString,
		Help: "File to write the master's process id to.",
	},
	{
		Name: "worker_tmp_dir", Section: SectionMechanics, Flags: []string{"--worker-tmp-dir"}, Metavar: "DIR", Check: anyString,
		State: NoEffect, Note: "workers report through shared memory, there is no heartbeat file",
		Help: "Directory of Gunicorn's heartbeat files.",
	},
	{
		Name: "user", Section: SectionMechanics, Flags: []string{"-u", "--user"}, Metavar: "USER", Default: Computed("the user who starts gosrv"), Check: userName,
		Help: "User that workers run as, by name or number. Needs root. A worker that could become root again is refused; see also allow_new_privileges.",
	},
	{
		Name: "group", Section: SectionMechanics, Flags: []string{"-g", "--group"}, Metavar: "GROUP", Default: Computed("the group of who starts gosrv"), Check: groupName,
		Help: "Group that workers run as, by name or number. Needs root.",
	},
	{
		Name: "umask", Section: SectionMechanics, Flags: []string{"-m", "--umask"}, Metavar: "INT", Type: AutoInt, Default: 0, Check: posInt,
		Help: "Mode bits that unix sockets made by gosrv do not get: 0o22, 022 or 18 are the same. The application's own files keep the umask gosrv was started with.",
	},
	{
		Name: "initgroups", Section: SectionMechanics, Flags: []string{"--initgroups"}, Action: StoreTrue, Default: false, Check: AnyBool,
		Help: "Give workers all groups that the user belongs to, not only one.",
	},
	{
		Name: "tmp_upload_dir", Section: SectionMechanics, Metavar: "DIR", Check: anyString,
		State: Better, Note: "Gunicorn ignores it; here it is the directory where large request bodies wait, before TMPDIR and /tmp",
		Help: "Directory for request bodies too large to be kept in memory.",
	},
	{
		Name: "secure_scheme_headers", Section: SectionMechanics, Check: AnyDict,
		Default: map[string]any{"X-FORWARDED-PROTOCOL": "ssl", "X-FORWARDED-PROTO": "https", "X-FORWARDED-SSL": "on"},
		Help:    "Header names in capitals and the value by which a trusted proxy says that the client used HTTPS.",
	},
	{
		Name: "forwarded_allow_ips", Section: SectionMechanics, Flags: []string{"--forwarded-allow-ips"}, Metavar: "STRING", Default: []string{"127.0.0.1", "::1"}, Check: AddressList,
		Help: "Proxies whose forwarding headers are believed: addresses and networks with commas between, or *. The environment variable FORWARDED_ALLOW_IPS gives another default. Peers on unix sockets are always trusted.",
	},
}

// namingRows: process names, Python's module path, PasteDeploy.
var namingRows = []Setting{
	{
		Name: "proc_name", Section: SectionNaming, Flags: []string{"-n", "--name"}, Metavar: "STRING", Check: anyString,
		Help: "Name shown by ps and top. The application's name unless given.",
	},
	{
		Name: "default_proc_name", Section: SectionNaming, Default: "gunicorn", Check: anyString,
		Help: "Name used when neither proc_name nor an application on the command line gives one.",
	},
	{
		Name: "pythonpath", Section: SectionMechanics, Flags: []string{"--pythonpath"}, Metavar: "STRING", Check: anyString,
		Help: "Directories with commas between to put in front of sys.path, each before the last; relative to chdir.",
	},
	{
		Name: "paste", Section: SectionMechanics, Flags: []string{"--paste", "--paster"}, Metavar: "STRING", Check: anyString,
		Help: "PasteDeploy file with the application, or FILE#SECTION. The package PasteDeploy must be installed; [loggers] in the file configures logging, [server:main] is not read.",
	},
}
