package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gosrv/cmd/gosrv/internal/config/settings"
)

// inFolder makes files in a new folder and goes there.
func inFolder(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(".", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEachPlaceBeatsTheOnesBelow(t *testing.T) {
	inFolder(t, map[string]string{"gosrv.toml": "workers = 3\nthreads = 3\ntimeout = 3\nbacklog = 3\nkeepalive = 3\n"})
	file := File{Path: "./gunicorn.conf.py", Settings: map[string]any{
		"workers": 2, "threads": 2, "timeout": 2, "backlog": 2, "keepalive": 2, "graceful_timeout": 2}}
	cfg, _ := merged(t, []string{"a", "--workers", "6"}, file, "WEB_CONCURRENCY=1", "PORT=1",
		"GUNICORN_CMD_ARGS=--workers 4 --threads 4 --backlog 4", "GOSRV_WORKERS=5", "GOSRV_THREADS=5")
	want := map[string]int{"workers": 6, "threads": 5, "backlog": 4, "timeout": 3, "keepalive": 3, "graceful_timeout": 2}
	for name, n := range want {
		if cfg.Int(name) != n {
			t.Errorf("%s = %d, want %d", name, cfg.Int(name), n)
		}
	}
	read := []string{"PORT", "WEB_CONCURRENCY", "./gunicorn.conf.py", "gosrv.toml", "GUNICORN_CMD_ARGS", "GOSRV_THREADS", "GOSRV_WORKERS", "command line"}
	if !slices.Equal(cfg.Sources(), read) {
		t.Errorf("sources %q", cfg.Sources())
	}
	changed := strings.Join(cfg.Changed(), "\n")
	for _, line := range []string{"backlog = 4 (GUNICORN_CMD_ARGS)", "bind = ['0.0.0.0:1'] (environment variable PORT)",
		"graceful_timeout = 2 (./gunicorn.conf.py)", "threads = 5 (environment variable GOSRV_THREADS)",
		"timeout = 3 (gosrv.toml:3)", "workers = 6 (command line)"} {
		if !strings.Contains(changed, line) {
			t.Errorf("no line %q in\n%s", line, changed)
		}
	}
}

func TestValuesOfVariables(t *testing.T) {
	cfg, _ := merged(t, []string{"a"}, File{}, "GOSRV_BIND=127.0.0.1:1, unix:/run/a.sock", `GOSRV_RAW_ENV=["A=1,2", "B="]`,
		"GOSRV_PRELOAD_APP=on", "GOSRV_SENDFILE=no", "GOSRV_TIMEOUT=2m", "GOSRV_LIMIT_REQUEST_BODY=10MB", "GOSRV_UMASK=022",
		`GOSRV_SECURE_SCHEME_HEADERS={"X-S": "on"}`, "GOSRV_FORWARDED_ALLOW_IPS=10.0.0.0/8,::1", "GOSRV_ACCESSLOG=-",
		"GOSRV_WORKERS=", "GOSRV_PYTHON=/p", "GOSRV_PORT=tcp://10.0.0.1:80", "GOSRV_PORT_80_TCP_ADDR=10.0.0.1",
		"GOSRV_SERVICE_HOST=h", "GOSRV_BIN=x", "GOSRV_TEST_PYTHON=x", "GOSRV_SERVICE_PORT_HTTP=80", "GOSRVX=1", "_GOSRV_X=1")
	got := strings.Join(cfg.Changed(), "\n")
	for _, want := range []string{"bind = ['127.0.0.1:1', 'unix:/run/a.sock'] ", "raw_env = ['A=1,2', 'B='] ", "preload_app = True ",
		"sendfile = False ", "timeout = 120 ", "limit_request_body = 10485760 ", "umask = 18 ", "secure_scheme_headers = {'X-S': 'on'} ",
		"forwarded_allow_ips = ['10.0.0.0/8', '::1'] ", "accesslog = '-' ", "python = '/p' "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if cfg.Explicit("workers") {
		t.Error("an empty variable sets something")
	}
}

func TestVariablesThatAreWrong(t *testing.T) {
	tests := map[string]string{
		"GOSRV_WROKERS=3":          "environment variable GOSRV_WROKERS: there is no such setting; did you mean GOSRV_WORKERS?",
		"GOSRV_ACCESS_LOGFILE=-":   "environment variable GOSRV_ACCESS_LOGFILE: there is no such setting; did you mean GOSRV_ACCESSLOG?",
		"GOSRV_LOG_LEVEL=debug":    "environment variable GOSRV_LOG_LEVEL: there is no such setting; did you mean GOSRV_LOGLEVEL?",
		"GOSRV_workers=3":          "environment variable GOSRV_workers: there is no such setting; did you mean GOSRV_WORKERS?",
		"GOSRV_PORT=8000":          "environment variable GOSRV_PORT: there is no such setting",
		"GOSRV_FROBNICATE=3":       "environment variable GOSRV_FROBNICATE: there is no such setting",
		"GOSRV_WORKERS=many":       "invalid literal for int() with base 0: 'many' (environment variable GOSRV_WORKERS: workers = 'many'; allowed: an integer of 0 or more, or auto)",
		"GOSRV_RELOAD=maybe":       "Invalid boolean: maybe (environment variable GOSRV_RELOAD: reload = 'maybe'; allowed: True or False)",
		"GOSRV_TIMEOUT=500ms":      "'500ms' is not a whole number of seconds (environment variable GOSRV_TIMEOUT: timeout = '500ms'; allowed: an integer of 0 or more; seconds like 30, 30s or 5m)",
		"GOSRV_LOGCONFIG_DICT={x}": "Value is not a JSON object: ",
	}
	for variable, want := range tests {
		_, err := ParseArgs([]string{"a"}, env(variable))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s:\n%v, want\n%s", variable, err, want)
		}
	}
}

func TestUnits(t *testing.T) {
	tests := []struct {
		unit settings.Unit
		text string
		n    int
		ok   bool
	}{
		{settings.Seconds, "30s", 30, true}, {settings.Seconds, "1h30m", 5400, true}, {settings.Seconds, " 1m 30s ", 90, true}, {settings.Seconds, "1500ms", 0, false},
		{settings.Seconds, "2000MS", 2, true}, {settings.Seconds, "0.5m", 30, true}, {settings.Seconds, "1d", 86400, true}, {settings.Seconds, "30", 0, false},
		{settings.Seconds, "30x", 0, false}, {settings.Seconds, "s", 0, false}, {settings.Seconds, "", 0, false}, {settings.Seconds, "-3s", 0, false},
		{settings.Seconds, "9999999999999999999d", 0, false},
		{settings.Bytes, "10MB", 10 << 20, true}, {settings.Bytes, "64k", 64 << 10, true}, {settings.Bytes, "1.5GiB", 3 << 29, true}, {settings.Bytes, "7b", 7, true},
		{settings.Bytes, "1.5b", 0, false}, {settings.Bytes, "10s", 0, false}, {settings.Plain, "10s", 0, false},
	}
	for _, test := range tests {
		if n, ok, err := test.unit.Read(test.text); n != test.n || ok != test.ok {
			t.Errorf("%q: %d %t %v, want %d %t", test.text, n, ok, err, test.n, test.ok)
		}
	}
}

func TestTOMLFileIsFoundAndRead(t *testing.T) {
	table := "[tool.gosrv]\nworkers = 3\nbind = [\":1\", \":2\"]\nforwarded_allow_ips = [\"10.0.0.0/8\"]\ntimeout = \"1m\"\npost_fork = \"hooks.post_fork\"\n" +
		"[tool.gosrv.secure_scheme_headers]\nX-A = \"on\"\n"
	plain := strings.ReplaceAll(strings.Replace(table, "[tool.gosrv]\n", "", 1), "tool.gosrv.", "")
	tests := []struct {
		name   string
		files  map[string]string
		argv   []string
		source string
	}{
		{"gosrv.toml", map[string]string{"gosrv.toml": plain, "pyproject.toml": "[tool.ruff]\n# gosrv\n"}, nil, "gosrv.toml"},
		{"pyproject.toml", map[string]string{"pyproject.toml": "[project]\nname = 'x'\n" + table}, nil, "pyproject.toml"},
		{"a file of any name", map[string]string{"x.toml": plain, "gosrv.toml": "threads = 2\n"}, []string{"-c", "x.toml"}, "x.toml"},
		{"broken pyproject.toml of others", map[string]string{"gosrv.toml": plain, "pyproject.toml": "[[["}, nil, "gosrv.toml"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inFolder(t, test.files)
			cfg, _ := merged(t, append([]string{"a"}, test.argv...), File{})
			got := strings.Join(cfg.Changed(), "\n")
			for _, want := range []string{"workers = 3 (" + test.source + ":", "bind = [':1', ':2']", "forwarded_allow_ips = ['10.0.0.0/8']",
				"timeout = 60", "post_fork = 'hooks.post_fork'", "secure_scheme_headers = {'X-A': 'on'}"} {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
			if cfg.Explicit("threads") {
				t.Error("gosrv.toml was read though -c names another file")
			}
		})
	}
}

func TestTOMLErrorsNameTheLine(t *testing.T) {
	tests := []struct{ name, file, text, want string }{
		{"value", "gosrv.toml", "# c\nworkers = 'two'\n", "invalid literal for int() with base 0: 'two' (gosrv.toml:2: workers = 'two'; allowed: an integer of 0 or more, or auto)"},
		{"type", "gosrv.toml", "timeout = 1.5\n", "Value is not an integer: 1.5 (gosrv.toml:1: timeout = 1.5; allowed: an integer of 0 or more; seconds like 30, 30s or 5m)"},
		{"date", "gosrv.toml", "bind = 2020-01-01\n", "Value is not a list of strings (gosrv.toml:1: bind = 2020-01-01; allowed: a string or a list of strings)"},
		{"unknown", "gosrv.toml", "\nwrokers = 2\n[zzz]\na = 1\n", "gosrv.toml:2: there is no setting wrokers; did you mean workers?"},
		{"flag's name", "gosrv.toml", "access-logfile = '-'\n", "gosrv.toml:1: there is no setting access-logfile; did you mean accesslog?"},
		{"table", "gosrv.toml", "[server]\nworkers = 1\n", "gosrv.toml:1: there is no setting server"},
		{"in a project", "pyproject.toml", "[tool.x]\nfoo = 1\n[tool.gosrv]\nbacklog = -1\n", "Value must be positive: -1 (pyproject.toml:4: backlog = -1; allowed: an integer of 0 or more)"},
		{"syntax", "gosrv.toml", "workers = 1\nbind =\n", "gosrv.toml:2: "},
		{"config", "gosrv.toml", "config = 'a.py'\n", "gosrv.toml:1: config names the configuration file and cannot stand in one; use -c"},
		{"refused", "gosrv.toml", "workers = 1\ndirty_workers = 2\n", "dirty_workers is not supported: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inFolder(t, map[string]string{test.file: test.text})
			cl, err := ParseArgs([]string{"a"}, nil)
			if err == nil {
				_, _, err = cl.Merge(File{})
			}
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("%v, want\n%s", err, test.want)
			}
		})
	}
	inFolder(t, map[string]string{"gosrv.toml": "workers = 1", "pyproject.toml": "[tool.gosrv]\nworkers = 1"})
	if _, err := ParseArgs([]string{"a"}, nil); err == nil || !strings.Contains(err.Error(), "settings in two places: ./gosrv.toml and [tool.gosrv] in ./pyproject.toml") {
		t.Error(err)
	}
	if _, err := ParseArgs([]string{"a", "-c", "none.toml"}, nil); err == nil || !strings.Contains(err.Error(), "none.toml: no such file") {
		t.Error(err)
	}
}

func TestTOMLIsReadAnewForEachReload(t *testing.T) {
	inFolder(t, map[string]string{"gosrv.toml": "workers = 2\n"})
	cl, err := ParseArgs([]string{"a"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("gosrv.toml", []byte("workers = 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir("/")
	cfg, _, err := cl.Merge(File{})
	if err != nil || cfg.Int("workers") != 3 {
		t.Error(cfg, err)
	}
}

func TestWorkersAuto(t *testing.T) {
	t.Setenv("GOMAXPROCS", "") // what the machine has
	n, _, err := processors()
	if err != nil || n < 1 {
		t.Fatal(n, err)
	}
	for _, environment := range []string{"WEB_CONCURRENCY=auto", "GOSRV_WORKERS=auto", "GUNICORN_CMD_ARGS=-w auto"} {
		cfg, _ := merged(t, []string{"a"}, File{}, environment)
		if cfg.Int("workers") != 2*n+1 || !strings.HasPrefix(cfg.Sizing(), "2 x ") {
			t.Errorf("%s: %d workers on %d processors, %q", environment, cfg.Int("workers"), n, cfg.Sizing())
		}
	}
	if cfg, _ := merged(t, []string{"a", "-w", "3"}, File{}, "WEB_CONCURRENCY=auto"); cfg.Int("workers") != 3 || cfg.Sizing() != "" {
		t.Errorf("%d workers, %q", cfg.Int("workers"), cfg.Sizing())
	}
}

func TestPasteFileIsTheApplication(t *testing.T) {
	inFolder(t, map[string]string{"a.ini": "[app:main]\nuse = x\n", "b.ini": "[app:main]\n[loggers]\nkeys = root\n"})
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	cfg, _ := merged(t, []string{"ignored", "--paste", "a.ini#other", "--paste-global", "k=v"}, File{})
	if cfg.App() != dir+"/a.ini#other" || cfg.ProcName() != dir+"/a.ini" || cfg.String("logconfig") != "" {
		t.Errorf("%q %q %q", cfg.App(), cfg.ProcName(), cfg.String("logconfig"))
	}
	if cfg, _ = merged(t, []string{"--paste", "b.ini"}, File{}); cfg.String("logconfig") != dir+"/b.ini" {
		t.Errorf("logconfig %q", cfg.String("logconfig"))
	}
	if cfg, _ = merged(t, []string{"--paste", "b.ini", "--log-config", "c"}, File{}); cfg.String("logconfig") != "c" {
		t.Errorf("logconfig %q", cfg.String("logconfig"))
	}
}
