package config

import (
	"flag"
	"os"
	"strings"
	"testing"
)

func TestHelpFitsTheTerminal(t *testing.T) {
	help := Help()
	for line := range strings.SplitSeq(help, "\n") {
		if len(line) > 79 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	for _, s := range settings {
		name := s.listName()
		if !strings.Contains(help, name) {
			t.Errorf("%s is not in --help", name)
		}
	}
	if !strings.HasPrefix(help, "usage: gosrv [OPTIONS] [APP_MODULE]\n") || !strings.Contains(help, "\nExample:\n") {
		t.Error("usage line or example is missing")
	}
}

func TestColouredHelpSaysTheSame(t *testing.T) {
	text := ColouredHelp()
	for _, code := range []string{"\x1b[1m", "\x1b[36m", "\x1b[0m"} {
		if !strings.Contains(text, code) {
			t.Errorf("no %q", code)
		}
		text = strings.ReplaceAll(text, code, "")
	}
	if text != Help() {
		t.Error("without its colours it is another text")
	}
}

func TestReferenceHasEveryRow(t *testing.T) {
	text := Reference()
	for _, s := range settings {
		if strings.Count(text, "\n| `"+s.Name+"` |") != 1 {
			t.Errorf("%s: not one row", s.Name)
		}
	}
	if !strings.Contains(text, "\n\nOf Gunicorn's 120 settings ") {
		t.Error(text[:800])
	}
}

var update = flag.Bool("update", false, "write the settings page anew")

func TestSettingsPageIsInStep(t *testing.T) {
	const page = "../../docs/settings.md"
	if *update {
		if err := os.WriteFile(page, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != Reference() {
		t.Error("cmd/gosrv/docs/settings.md is not what the table says: run make docs")
	}
}

func TestPrintConfigHasGunicornsLines(t *testing.T) {
	cfg, _ := merged(t, []string{"app:app", "-w", "3", "-e", "A=it's"}, File{})
	text := "\n" + cfg.Print()
	for _, line := range []string{
		"workers                            = 3",
		"bind                               = ['127.0.0.1:8000']",
		"accesslog                          = None",
		"preload_app                        = False",
		"pre_fork                           = <Prefork.pre_fork()>",
		"default_proc_name                  = app:app",
		"control_socket_mode                = 384",
		`raw_env                            = ["A=it's"]`,
		"sendfile                           = None",
		"statsd_prefix                      = ",
		"forwarded_allow_ips                = ['127.0.0.1', '::1']",
		`access_log_format                  = %(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}

func TestVersionText(t *testing.T) {
	if VersionText() != "gosrv (version "+Version+")\n" {
		t.Error(VersionText())
	}
}

func TestReprAsPython(t *testing.T) {
	tests := map[string]any{
		`'a'`: "a", `"it's"`: "it's", `'it\'s "x"'`: `it's "x"`, `'\n\t\x00\x7f\\'`: "\n\t\x00\x7f\\", `'é'`: "é",
		`['a', 1, None, True]`: []any{"a", 1, nil, true}, `{'a': 1, 'b': []}`: map[string]any{"b": []any{}, "a": 1},
		`<object>`: map[string]any{"__repr__": "<object>"}, `1.5`: 1.5, `4.0`: pyFloat(4),
	}
	for want, value := range tests {
		if got := pyRepr(value); got != want {
			t.Errorf("%#v: %s, want %s", value, got, want)
		}
	}
}
