package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gosrv/cmd/gosrv/internal/config/settings"
)

// merged parses and merges, and fails the test on any error.
func merged(t *testing.T, argv []string, file File, environment ...string) (*Config, []Warning) {
	t.Helper()
	cl, err := ParseArgs(argv, env(environment...))
	if err != nil {
		t.Fatal(err)
	}
	cfg, warnings, err := cl.Merge(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg, warnings
}

// mergeError parses and merges, and gives the error of the merge.
func mergeError(t *testing.T, argv []string, file File, environment ...string) string {
	t.Helper()
	cl, err := ParseArgs(argv, env(environment...))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = cl.Merge(file)
	if err == nil {
		t.Fatalf("%q with %v is accepted", argv, file.Settings)
	}
	return err.Error()
}

func TestPrecedence(t *testing.T) {
	file := File{Path: "gunicorn.conf.py", Settings: map[string]any{"workers": json.Number("2"), "threads": json.Number("2"), "timeout": json.Number("2")}}
	cfg, warnings := merged(t, []string{"a:b", "-w", "4"}, file, "GUNICORN_CMD_ARGS=-w 3 --threads 3", "WEB_CONCURRENCY=1")
	if len(warnings) > 0 {
		t.Error(warnings)
	}
	want := map[string]Source{"workers": FromFlags, "threads": FromCmdArgs, "timeout": FromFile, "keepalive": FromDefault}
	for name, source := range want {
		if cfg.Source(name) != source {
			t.Errorf("%s comes from %d, want %d", name, cfg.Source(name), source)
		}
	}
	if cfg.Int("workers") != 4 || cfg.Int("threads") != 3 || cfg.Int("timeout") != 2 || cfg.Int("keepalive") != 2 {
		t.Error(cfg.Print())
	}
}

func TestFileErrorsNameTheLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "conf.py")
	text := "import os\nbind = ':1'\nworkers = 'two'\nif workers == 3:\n    pass\ndef pre_fork(server):\n    pass\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		file File
		want string
	}{
		{"value", File{Path: path, Settings: map[string]any{"workers": "two"}},
			"invalid literal for int() with base 0: 'two' (" + path + ":3: workers = 'two'; allowed: an integer of 0 or more, or auto)"},
		{"arity", File{Path: path, Callables: map[string]int{"pre_fork": 1}},
			"Value must have an arity of: 2 (" + path + ":6: pre_fork = <pre_fork>; allowed: def pre_fork(server, worker):)"},
		{"float", File{Path: "python:conf", Settings: map[string]any{"timeout": json.Number("4.0")}},
			"Value is not an integer: 4.0 (python:conf: timeout = 4.0; allowed: an integer of 0 or more; seconds like 30, 30s or 5m)"},
		{"object", File{Path: path, Settings: map[string]any{"bind": map[string]any{"__repr__": "<x>"}}},
			"Value is not a list of strings (" + path + ":2: bind = <x>; allowed: a string or a list of strings)"},
		{"function where a value belongs", File{Path: path, Callables: map[string]int{"bind": 0}},
			"Value is a function or a class (" + path + ":2: bind = <bind>; allowed: a string or a list of strings)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := mergeError(t, []string{"a:b"}, test.file); got != test.want {
				t.Errorf("%s\nwant %s", got, test.want)
			}
		})
	}
}

func TestCombinationsThatAreRefused(t *testing.T) {
	tests := []struct {
		argv []string
		want string
	}{
		{nil, "No application module specified."},
		{[]string{"a", "-e", "FOO"}, "environment setting 'FOO' invalid"},
		{[]string{"a", "-k", "uvicorn.workers.UvicornWorker"}, "worker_class 'uvicorn.workers.UvicornWorker' is not supported: gosrv serves WSGI applications"},
		{[]string{"a", "-k", "my.GeventWorker"}, "worker_class 'my.GeventWorker' is not supported: use --worker-class gevent; what a class of your own does goes into hooks"},
		{[]string{"a", "-k", "my.Eventlet"}, "worker_class 'my.Eventlet' is not supported: use --worker-class eventlet"},
		{[]string{"a", "-k", "meinheld.gmeinheld.MeinheldWorker"}, "worker_class 'meinheld.gmeinheld.MeinheldWorker' is not supported: meinheld is not maintained any more; use --worker-class gevent"},
		{[]string{"a", "-k", "gevent", "--refork-after", "5"}, "refork_after does not go with worker_class 'gevent'"},
		{[]string{"a", "-k", "tornado"}, "worker_class 'tornado' is not supported: run a Tornado"},
		{[]string{"a", "-k", "my.Worker"}, "worker_class 'my.Worker' is not supported: use sync, gthread, gevent or eventlet"},
		{[]string{"a", "--protocol", "uwsgi"}, "protocol is not supported: gosrv speaks HTTP only"},
		{[]string{"a", "--dirty-workers", "2"}, "dirty_workers is not supported: gosrv has no dirty workers"},
		{[]string{"a", "--asgi-loop", "uvloop"}, "asgi_loop is not supported: gosrv serves WSGI"},
		{[]string{"--paste", "/nowhere/x.ini#a"}, "'/nowhere/x.ini' not found (command line: paste = '/nowhere/x.ini#a'; allowed: a PasteDeploy file"},
		{[]string{"a", "--paste-global", `a\=b`}, `environment setting 'a\\=b' invalid: --paste-global must be KEY=VALUE`},
	}
	for _, test := range tests {
		if got := mergeError(t, test.argv, File{}); !strings.HasPrefix(got, test.want) {
			t.Errorf("%q: %s", test.argv, got)
		}
	}
	class := File{Callables: map[string]int{"worker_class": 0}}
	if got := mergeError(t, []string{"a"}, class); !strings.HasPrefix(got, "worker_class is a class") {
		t.Error(got)
	}
}

func TestWarnings(t *testing.T) {
	file := File{Path: "conf.py", Settings: map[string]any{
		"statsd_host": "localhost:8125", "spew": false, "worker_tmp_dir": "/dev/shm", // known
		"worker": 3, "timeuot": 30, "TIMEUOT": 1, "_timeuot": 1, "cores": 2, "bnid": map[string]any{"__repr__": "<module>"},
	}}
	_, warnings := merged(t, []string{"a", "--log-syslog", "--reload-engine", "auto", "--asgi-loop", "auto"}, file)
	var got []string
	for _, w := range warnings {
		text := w.String()
		if w.Quiet {
			text = "quiet " + text
		}
		got = append(got, text)
	}
	want := []string{
		"timeuot: no such setting, ignored (conf.py); did you mean timeout?",
		"worker: no such setting, ignored (conf.py); did you mean workers?",
		"quiet reload_engine: accepted, no effect: files are looked at once a second, whichever is named",
		"quiet worker_tmp_dir: accepted, no effect: workers report through shared memory, there is no heartbeat file",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestBrokenAccessLogFormat(t *testing.T) {
	_, warnings := merged(t, []string{"a", "--access-logfile", "-", "--access-logformat", "%(h)s %(D)"}, File{})
	want := `access_log_format: the letter after ) is missing at "%(D)"; the default format is used`
	if len(warnings) != 1 || warnings[0].String() != want {
		t.Error(warnings)
	}
	if _, warnings = merged(t, []string{"a", "--access-logfile", "-", "--access-logformat", "json"}, File{}); len(warnings) > 0 {
		t.Error(warnings)
	}
}

func TestWorkerClassAndApplication(t *testing.T) {
	tests := []struct {
		argv            []string
		file            map[string]any
		class, app, set string
	}{
		{[]string{"a:b"}, nil, "sync", "a:b", "a:b"},
		{[]string{"a:b", "--threads", "2"}, nil, "gthread", "a:b", "a:b"},
		{[]string{"a:b", "-k", "gthread"}, map[string]any{"wsgi_app": "c:d"}, "gthread", "a:b", "a:b"},
		{[]string{"-k", "gunicorn.workers.sync.SyncWorker"}, map[string]any{"wsgi_app": "c:d"}, "sync", "c:d", "c:d"},
		{[]string{"a", "-k", "egg:gunicorn#gthread", "-n", "shop"}, nil, "gthread", "a", "shop"},
		{[]string{"a", "-k", "#sync"}, map[string]any{"default_proc_name": "x", "threads": 1}, "sync", "a", "x"},
	}
	for _, test := range tests {
		cfg, _ := merged(t, test.argv, File{Settings: test.file})
		if cfg.WorkerClass() != test.class || cfg.App() != test.app || cfg.ProcName() != test.set {
			t.Errorf("%q: %q %q %q", test.argv, cfg.WorkerClass(), cfg.App(), cfg.ProcName())
		}
	}
}

func TestHooksStayInPython(t *testing.T) {
	file := File{
		Settings:  map[string]any{"when_ready": "pkg.mod.ready", "logger_class": "x.Y"},
		Callables: map[string]int{"pre_fork": 2, "post_request": 2, "post_fork": 2, "helper": 1},
	}
	cfg, warnings := merged(t, []string{"a"}, file)
	if hooks := cfg.Hooks(); len(hooks) != 3 || hooks["post_request"] != 2 || hooks["pre_fork"] != 2 {
		t.Error(hooks)
	}
	values := cfg.Map()
	if _, has := values["pre_fork"]; has || values["when_ready"] != "pkg.mod.ready" {
		t.Error(values)
	}
	if len(warnings) != 0 {
		t.Error(warnings)
	}
}

func TestMapIsWhatWorkersNeed(t *testing.T) {
	cfg, _ := merged(t, []string{"a", "--no-sendfile", "--threads", "2"}, File{Settings: map[string]any{"reuse_port": nil, "header_map": nil, "raw_env": []any{"A=1"}}})
	text, err := json.Marshal(cfg.Map())
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"worker_class": "gthread", "sendfile": false, "reuse_port": false, "header_map": "drop", "proc_name": "a",
		"pidfile": nil, "timeout": 30.0, "header_timeout": 10.0, "limit_request_body": 0.0,
	}
	for name, value := range want {
		if back[name] != value {
			t.Errorf("%s = %v, want %v", name, back[name], value)
		}
	}
	if len(back) != len(settings.Table)-20+2 {
		t.Errorf("%d settings, want all %d but the 20 hooks, and two of what worker_class was called", len(back), len(settings.Table))
	}
	if headers := cfg.StringMap("secure_scheme_headers"); headers["X-FORWARDED-PROTO"] != "https" || len(headers) != 3 {
		t.Error(headers)
	}
}
