package settings

// DefaultAccessLogFormat is the line Gunicorn writes: the combined format.
const DefaultAccessLogFormat = `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`

// Synonyms are flags that Gunicorn does not know, for those that people write by mistake.
var Synonyms = map[string]string{"--access-log-format": "--access-logformat"}

// loggingRows: access log, error log, syslog, statsd.
var loggingRows = []Setting{
	{
		Name: "accesslog", Section: SectionLogging, Flags: []string{"--access-logfile"}, Metavar: "FILE", Check: anyString,
		State: Better, Note: "written beside the request, so that a slow disk delays no answer",
		Help: "File for a line about each request. - means standard output; without it there is no access log.",
	},
	{
		Name: "disable_redirect_access_to_syslog", Section: SectionLogging, Flags: []string{"--disable-redirect-access-to-syslog"}, Action: StoreTrue, Default: false, Check: AnyBool,
		Help: "Keep access lines out of syslog.",
	},
	{
		Name: "access_log_format", Section: SectionLogging, Flags: []string{"--access-logformat"}, Metavar: "STRING", Default: DefaultAccessLogFormat, Check: anyString,
		State: Better, Note: "bytes from clients are escaped, so that nobody can forge a line; the word json gives JSON lines",
		Help: "Format of the access log. %(h)s address, %(t)s time, %(r)s request line, %(s)s status, %(b)s bytes, %(D)s microseconds, %({name}i)s request header, %({name}o)s response header, %({name}e)s environ.",
	},
	{
		Name: "errorlog", Section: SectionLogging, Flags: []string{"--error-logfile", "--log-file"}, Metavar: "FILE", Default: "-", Check: anyString,
		Help: "File for messages and tracebacks. - means standard error.",
	},
	{
		Name: "loglevel", Section: SectionLogging, Flags: []string{"--log-level"}, Metavar: "LEVEL", Default: "info", Check: anyString,
		Help: "Least important level that the error log shows: debug, info, warning, error or critical. Any other word means info.",
	},
	{
		Name: "capture_output", Section: SectionLogging, Flags: []string{"--capture-output"}, Action: StoreTrue, Default: false, Check: AnyBool,
		Help: "Send what the application prints to the error log file.",
	},
	{
		Name: "logger_class", Section: SectionLogging, Flags: []string{"--logger-class"}, Metavar: "STRING", Default: "gunicorn.glogging.Logger", Check: className,
		State: Better, Note: "a subclass gets the lines of the master, too; its access() makes each request slower than the built-in access log",
		Help: "Python class that handles log records.",
	},
	{
		Name: "logconfig", Section: SectionLogging, Flags: []string{"--log-config"}, Metavar: "FILE", Check: anyString,
		State: Better, Note: "also the master's lines go by it; a configuration of gunicorn.access makes each request slower than the built-in access log",
		Help: "File in the format of Python's logging.config.fileConfig.",
	},
	{
		Name: "logconfig_dict", Section: SectionLogging, Default: map[string]any{}, Check: AnyDict,
		State: Better, Note: "as logconfig",
		Help: "Dictionary in the format of Python's logging.config.dictConfig.",
	},
	{
		Name: "logconfig_json", Section: SectionLogging, Flags: []string{"--log-config-json"}, Metavar: "FILE", Check: anyString, Since: "21.0",
		State: Better, Note: "as logconfig; a file that does not exist is warned of",
		Help: "JSON file in the format of Python's logging.config.dictConfig.",
	},
	{
		Name: "syslog_addr", Section: SectionLogging, Flags: []string{"--log-syslog-to"}, Metavar: "SYSLOG_ADDR", Default: "udp://localhost:514", Check: anyString,
		State: Better, Note: "lines to TCP end in a newline, as servers expect",
		Help: "Where syslog listens: unix://PATH, udp://HOST:PORT or tcp://HOST:PORT.",
	},
	{
		Name: "syslog", Section: SectionLogging, Flags: []string{"--log-syslog"}, Action: StoreTrue, Default: false, Check: AnyBool,
		State: Better, Note: "sent beside the request; a server that does not answer stops nothing, and what it misses is counted",
		Help: "Send log lines to syslog as well.",
	},
	{
		Name: "syslog_prefix", Section: SectionLogging, Flags: []string{"--log-syslog-prefix"}, Metavar: "SYSLOG_PREFIX", Check: anyString,
		Help: "Program name in syslog lines.",
	},
	{
		Name: "syslog_facility", Section: SectionLogging, Flags: []string{"--log-syslog-facility"}, Metavar: "SYSLOG_FACILITY", Default: "user", Check: anyString,
		Help: "Facility of syslog lines.",
	},
	{
		Name: "enable_stdio_inheritance", Section: SectionLogging, Flags: []string{"-R", "--enable-stdio-inheritance"}, Action: StoreTrue, Default: false, Check: AnyBool,
		Help: "Leave standard output and error as they are when running in the background.",
	},
	{
		Name: "statsd_host", Section: SectionLogging, Flags: []string{"--statsd-host"}, Metavar: "STATSD_ADDR", Check: statsdAddr,
		State: Better, Note: "several metrics in a datagram, sent beside the request",
		Help: "Send metrics to a statsd at HOST:PORT or unix://PATH.",
	},
	{
		Name: "dogstatsd_tags", Section: SectionLogging, Flags: []string{"--dogstatsd-tags"}, Metavar: "DOGSTATSD_TAGS", Default: "", Check: anyString,
		Help: "Tags with commas between to add to each metric.",
	},
	{
		Name: "statsd_prefix", Section: SectionLogging, Flags: []string{"--statsd-prefix"}, Metavar: "STATSD_PREFIX", Default: "", Check: anyString,
		Help: "Text in front of each metric's name.",
	},
	{
		Name: "enable_backlog_metric", Section: SectionLogging, Flags: []string{"--enable-backlog-metric"}, Action: StoreTrue, Default: false, Check: AnyBool, Since: "24.1.0",
		Help: "Report how many connections wait to be accepted.",
	},
}
