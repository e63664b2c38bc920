package config

import (
	"errors"
	"os"
	"slices"
	"testing"
)

// env makes an environment of NAME=VALUE texts.
func env(pairs ...string) Environ { return pairs }

func TestFailuresBeforePythonStarts(t *testing.T) {
	tests := []struct {
		name   string
		argv   []string
		env    []string
		exit   int
		stderr string
	}{
		{"bad integer", []string{"a:b", "--workers", "two"}, nil, 2,
			"usage: gosrv [OPTIONS] [APP_MODULE]\ngosrv: error: argument -w/--workers: invalid int value: 'two'\n"},
		{"misspelled flag", []string{"--wrokers", "3"}, nil, 2,
			"usage: gosrv [OPTIONS] [APP_MODULE]\ngosrv: error: unrecognized arguments: --wrokers (did you mean --workers?)\n"},
		{"misspelled flag with a value", []string{"--limit-request-field-size=3"}, nil, 2,
			"usage: gosrv [OPTIONS] [APP_MODULE]\ngosrv: error: unrecognized arguments: --limit-request-field-size=3 (did you mean --limit-request-field_size?)\n"},
		{"unknown flag like no other", []string{"--frobnicate"}, nil, 2,
			"usage: gosrv [OPTIONS] [APP_MODULE]\ngosrv: error: unrecognized arguments: --frobnicate\n"},
		{"negative number", []string{"a:b", "-w", "-1"}, nil, 1,
			"\nError: Value must be positive: -1 (command line: workers = -1; allowed: an integer of 0 or more, or auto)\n"},
		{"unknown user", []string{"a:b", "-u", "no-such-user"}, nil, 1,
			"\nError: No such user: 'no-such-user' (command line: user = 'no-such-user'; allowed: a user name or a numeric id)\n"},
		{"usage error in GUNICORN_CMD_ARGS", []string{"a:b"}, []string{"GUNICORN_CMD_ARGS=--threads x"}, 2,
			"usage: gosrv [OPTIONS] [APP_MODULE]\ngosrv: error: argument --threads: invalid int value: 'x'\n"},
		{"open quote in GUNICORN_CMD_ARGS", []string{"a:b"}, []string{"GUNICORN_CMD_ARGS=--name 'x"}, 1,
			"\nError: No closing quotation (GUNICORN_CMD_ARGS)\n"},
		{"bad value in GUNICORN_CMD_ARGS", []string{"a:b"}, []string{"GUNICORN_CMD_ARGS=--header-map x"}, 1,
			"\nError: Invalid header map behaviour: x (GUNICORN_CMD_ARGS: header_map = 'x'; allowed: drop, refuse, dangerous)\n"},
		{"bad environment variable", []string{"a:b"}, []string{"WEB_CONCURRENCY=many"}, 1,
			"\nError: invalid literal for int() with base 0: 'many' (environment variable WEB_CONCURRENCY: workers = 'many'; allowed: an integer of 0 or more, or auto)\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseArgs(test.argv, env(test.env...))
			var failure Failure
			if !errors.As(err, &failure) {
				t.Fatalf("no Failure but %v", err)
			}
			if failure.ExitCode() != test.exit || failure.Stderr() != test.stderr {
				t.Errorf("exit code %d and\n%q, want %d and\n%q", failure.ExitCode(), failure.Stderr(), test.exit, test.stderr)
			}
		})
	}
}

func TestHelpAndVersionWinOverWhatFollows(t *testing.T) {
	tests := []struct {
		argv    []string
		order   Order
		verbose bool
	}{
		{[]string{"-h", "--workers", "two"}, ShowHelp, false},
		{[]string{"--help"}, ShowHelp, false},
		{[]string{"a:b", "--version"}, ShowVersion, false},
		{[]string{"-v"}, ShowVersion, false},
		{[]string{"--version", "--verbose"}, ShowVersion, true},
		{[]string{"a:b"}, Run, false},
	}
	for _, test := range tests {
		cl, err := ParseArgs(test.argv, env())
		if err != nil || cl.Order != test.order || cl.Verbose != test.verbose {
			t.Errorf("%q: %+v, %v", test.argv, cl, err)
		}
	}
}

func TestConfigFileAndPythonAreKnownEarly(t *testing.T) {
	tests := []struct {
		argv, env []string
		file      string
		explicit  bool
		python    string
	}{
		{nil, nil, "", false, ""},
		{[]string{"-c", "x.py"}, []string{"GUNICORN_CMD_ARGS=-c y.py"}, "x.py", true, ""},
		{nil, []string{"GUNICORN_CMD_ARGS=-c y.py --python p2", "GOSRV_PYTHON=p3"}, "y.py", true, "p2"},
		{[]string{"-c", "", "--python", "p1"}, []string{"GOSRV_PYTHON=p3"}, "", false, "p1"},
		{nil, []string{"GOSRV_PYTHON=p3"}, "", false, "p3"},
		{nil, []string{"GOSRV_CONFIG=z.py", "GUNICORN_CMD_ARGS=-c y.py"}, "z.py", true, ""},
		{[]string{"--program", "serve.py"}, nil, "", true, ""},
	}
	for _, test := range tests {
		cl, err := ParseArgs(test.argv, env(test.env...))
		if err != nil {
			t.Fatal(err)
		}
		file, explicit := cl.ConfigFile()
		if file != test.file || explicit != test.explicit || cl.Python() != test.python {
			t.Errorf("%q %q: file %q %t, python %q", test.argv, test.env, file, explicit, cl.Python())
		}
	}
}

func TestShellWordsAsPython(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{``, nil},
		{`  -w 4	--name  x `, []string{"-w", "4", "--name", "x"}},
		{`--access-logformat "%(h)s \"%(r)s\""`, []string{"--access-logformat", `%(h)s "%(r)s"`}},
		{`-n 'a b' -e A='1 2'`, []string{"-n", "a b", "-e", "A=1 2"}},
		{`"a\nb" 'a\nb' a\nb`, []string{`a\nb`, `a\nb`, "anb"}},
		{`"a\\b" a\\b '' ""`, []string{`a\b`, `a\b`, "", ""}},
		{`--name #1 # x`, []string{"--name", "#1", "#", "x"}},
		{`a"b c"d`, []string{"ab cd"}},
	}
	for _, test := range tests {
		got, err := shellWords(test.text)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, %v, want %q", test.text, got, err, test.want)
		}
	}
	for _, text := range []string{`'a`, `"a`, `"a\"`, `a\`} {
		if got, err := shellWords(text); err == nil {
			t.Errorf("%s: %q, want an error", text, got)
		}
	}
}

func TestDefaultsOfTheEnvironment(t *testing.T) {
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	cfg, _ := merged(t, []string{"a"}, File{}, "PORT=5000", "WEB_CONCURRENCY=3", "FORWARDED_ALLOW_IPS=", "SENDFILE=0")
	if !slices.Equal(cfg.Strings("bind"), []string{"0.0.0.0:5000"}) || cfg.Int("workers") != 3 ||
		len(cfg.Strings("forwarded_allow_ips")) != 0 || cfg.Bool("sendfile") || cfg.String("chdir") != cwd {
		t.Errorf("%s", cfg.Print())
	}
	if !cfg.Explicit("workers") || cfg.Explicit("keepalive") {
		t.Error("Explicit tells wrongly what was set")
	}
	cfg, _ = merged(t, []string{"a", "-b", ":1", "-w2"}, File{}, "PORT=5000", "WEB_CONCURRENCY=3")
	if !slices.Equal(cfg.Strings("bind"), []string{":1"}) || cfg.Int("workers") != 2 || !cfg.Bool("sendfile") {
		t.Errorf("%s", cfg.Print())
	}
}
