package uwsgi

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write puts files into a folder and gives the path of the first.
func write(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, files[0])
}

func printed(t *testing.T, path string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := Run([]string{"import-uwsgi", path}, &out, &errs); code != done || errs.Len() > 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	return out.String()
}

// assignments are the lines of the printed file that say something to Python.
func assignments(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

func TestWhatALineBecomes(t *testing.T) {
	// DIR is the folder of the file, app.ini.
	for _, c := range []struct{ name, ini, want string }{
		{"module", "module = shop.wsgi", `wsgi_app = "shop.wsgi:application"`},
		{"module and callable", "wsgi = shop.wsgi\ncallable = app", `wsgi_app = "shop.wsgi:app"`},
		{"module with a factory", "module = shop:make()", `wsgi_app = "shop:make()"`},
		{"file", "wsgi-file = /srv/shop/wsgi.py", "wsgi_app = \"wsgi:application\"\npythonpath = \"/srv/shop\""},
		{"file in chdir", "chdir = /srv\nwsgi-file = shop/main.py\ncallable = app", "wsgi_app = \"main:app\"\nchdir = \"/srv\"\npythonpath = \"/srv/shop\""},
		{"file beside", "file = wsgi.py", `wsgi_app = "wsgi:application"`},
		{"mount at the root", "mount = /=shop:app", `wsgi_app = "shop:app"`},
		{"mount below", "mount = /shop=shop:app", "wsgi_app = \"shop:app\"\nraw_env = [\"SCRIPT_NAME=/shop\"]"},
		{"paths", "module = a\npythonpath = /a\npp = /b\npp = /a", "wsgi_app = \"a:application\"\npythonpath = \",\".join([\"/a\", \"/b\"])"},
		{"environment", "module = a\nenv = A=1\nenv = B=x y", "wsgi_app = \"a:application\"\nraw_env = [\n\"A=1\",\n\"B=x y\",\n]"},
		{"quotes", "module = a\nenv = A=\"\\", `wsgi_app = "a:application"` + "\n" + `raw_env = ["A=\"\\"]`},
		{"addresses", "module = a\nhttp-socket = :80\nhttp-socket = 10.0.0.1:80\nhttp = /run/a\nhttp-socket = @a\nhttp-socket = fd://3\nhttp-socket = a.sock",
			"wsgi_app = \"a:application\"\nbind = [\n\"0.0.0.0:80\",\n\"10.0.0.1:80\",\n\"unix:/run/a\",\n\"unix:\\x00a\",\n\"fd://3\",\n\"unix:a.sock\",\n]"},
		{"uwsgi socket beside http", "module = a\nsocket = /run/a\nhttp-socket = :80", "wsgi_app = \"a:application\"\nbind = [\"0.0.0.0:80\"]"},
		{"socket that speaks http", "module = a\nsocket = :80\nprotocol = http", "wsgi_app = \"a:application\"\nbind = [\"0.0.0.0:80\"]"},
		{"modes", "module = a\nchmod-socket = 660", "wsgi_app = \"a:application\"\numask = 0o006"},
		{"numbers", "module = a\nworkers = 3\nthreads=2\nlisten = 1024\nmax-requests = 10\nmax-requests-delta = 2\nreload-mercy = 8",
			"wsgi_app = \"a:application\"\nbacklog = 1024\nworkers = 3\nthreads = 2\ngraceful_timeout = 8\nmax_requests = 10\nmax_requests_jitter = 2"},
		{"the last one counts", "module = a\nworkers = 3\nworkers = 4", "wsgi_app = \"a:application\"\nworkers = 4"},
		{"underscores", "module = a\nmax_requests = 3", "wsgi_app = \"a:application\"\nmax_requests = 3"},
		{"flags", "module = a\nreuse-port\npy-autoreload = 1", "wsgi_app = \"a:application\"\nreuse_port = True\nreload = True"},
		{"flags that are off", "module = a\nreuse-port = false\npy-autoreload = 0", "wsgi_app = \"a:application\""},
		{"user", "module = a\nuid = www-data\ngid = 33", "wsgi_app = \"a:application\"\nuser = \"www-data\"\ngroup = \"33\""},
		{"magic", "module = a\nchdir = %d/%n.%e/%c%s", "wsgi_app = \"a:application\"\nchdir = \"DIR/app.ini/BASEapp.ini\""},
		{"magic that is known later", "module = a\nworkers = %k\npidfile = /run/%h.pid",
			"import os\nwsgi_app = \"a:application\"\nworkers = os.cpu_count()\npidfile = \"/run/\" + os.uname().nodename + \".pid\""},
		{"variables", "module = a\nhttp-socket = :$(PORT)\nworkers = $(N)",
			"import os\nwsgi_app = \"a:application\"\nbind = [\"0.0.0.0:\" + os.environ[\"PORT\"]]\nworkers = int(os.environ[\"N\"])"},
		{"placeholders", "chdir = %(base)/x\nbase = /srv/%(name)\nset-ph = name = shop\nmodule = %(name)", "wsgi_app = \"shop:application\"\nchdir = \"/srv/shop/x\""},
		{"math", "module = a\nfoo = 17\nbar = 30\nworkers = %(foo + bar + 3 * 2)\nthreads = %(foo ++)", "wsgi_app = \"a:application\"\nworkers = 100\nthreads = 18"},
		{"for", "module = a\nfor = a b\nhttp-socket = /run/%(_)\nendfor =", "wsgi_app = \"a:application\"\nbind = [\n\"unix:/run/a\",\n\"unix:/run/b\",\n]"},
		{"comments and other sections", "; x\n# y\nmodule = a\n[other]\nworkers = 9", `wsgi_app = "a:application"`},
		{"a percent sign", "module = a\nprocname = 100%", "wsgi_app = \"a:application\"\nproc_name = \"100%\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, "app.ini", "[uwsgi]\nharakiri = 5\nlazy-apps\ndisable-logging\n"+c.ini+"\n")
			got := assignments(printed(t, path))
			got = strings.Replace(got, "\ntimeout = 5", "", 1)
			want := strings.NewReplacer("DIR", filepath.Dir(path), "BASE", filepath.Base(filepath.Dir(path))).Replace(c.want)
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestWhereTheDefaultsDiffer(t *testing.T) {
	got := assignments(printed(t, write(t, "a.ini", "[uwsgi]\nmodule = a\n")))
	want := "wsgi_app = \"a:application\"\npreload_app = True\ntimeout = 0\naccesslog = \"-\""
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLogs(t *testing.T) {
	for ini, want := range map[string]string{
		"daemonize = /l": "daemon = True\nerrorlog = \"/l\"\naccesslog = \"/l\"",
		"logto = /l\nreq-logger = file:/r\nlogger = file:/e": "accesslog = \"/r\"\nerrorlog = \"/e\"",
		"logger = stdio": "errorlog = \"-\"\naccesslog = \"-\"",
		"log-format = %(addr) %(var.HTTP_X_A) %(rss) \"x": "access_log_format = \"%(h)s %({x-a}i)s - \\\"x\"\naccesslog = \"-\"",
	} {
		got := assignments(printed(t, write(t, "a.ini", "[uwsgi]\nmodule = a\nlazy-apps\nharakiri = 5\n"+ini+"\n")))
		if want = "wsgi_app = \"a:application\"\ntimeout = 5\n" + want; got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", ini, got, want)
		}
	}
}

func TestWhatIsSaidAboutTheRest(t *testing.T) {
	text := printed(t, write(t, "a.ini", "[uwsgi]\nmaster\nvacuum = 1\nsocket = :1\nstatic-map = /s=/t\ncheaper-step = 2\nlisen = 3\n"+
		"mine = 4\nif-env = X\nworkers = %(mine)\nendif =\npidfile = @(/etc/x)\nwsgi-file = my-app.py\n"))
	for _, want := range []string{
		"#   line 4: `socket = :1` spoke the uwsgi protocol",
		"#   line 5: static-map: let nginx",
		"#   line 6: cheaper-step: the number of workers",
		"#   line 7: lisen",
		"#   line 10: `workers = %(mine)` holds only where `if-env = X`",
		"#   line 12: `pidfile = @(/etc/x)`: what @(/etc/x) stands for is known only to uWSGI",
		"#   line 13: `wsgi-file = my-app.py`: \"my-app\" is no module that Python can import; rename the file",
		"#   missing: no module, wsgi-file or mount",
		"#   master, vacuum\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestAValueCannotLeaveItsComment(t *testing.T) {
	text := printed(t, write(t, "a.ini", "[uwsgi]\nmodule = a\nunknown\rimport os = 1\npidfile = a\rb\n"))
	for line := range strings.Lines(text) {
		if strings.Contains(line, "import os = 1") && line[0] != '#' || strings.ContainsRune(strings.TrimSuffix(line, "\n"), '\r') {
			t.Errorf("%q", line)
		}
	}
}

func TestIncludedFiles(t *testing.T) {
	text := printed(t, write(t, "a.ini", "[uwsgi]\nname = shop\nini = b.ini:app\nini = :more\n[more]\nthreads = 2\n",
		"b.ini", "[app]\nmodule = %(name)\nworkers = x\n"))
	if !strings.Contains(text, "wsgi_app = \"shop:application\"") || !strings.Contains(text, "threads = 2") ||
		!strings.Contains(text, "#   line 3 of ") {
		t.Error(text)
	}
}

func TestWhatIsRefused(t *testing.T) {
	for _, c := range []struct{ file, text, want string }{
		{"a.yaml", "uwsgi:\n", "only ini files are read, not yaml"},
		{"a.xml", "<uwsgi/>", "only ini files are read, not xml"},
		{"a.ini", " <uwsgi/>", "looks like XML"},
		{"a.ini", "[other]\nmodule = a\n", "has no section [uwsgi]; name another one as FILE:SECTION"},
		{"a.ini", "[uwsgi]\nini = a.ini\n", "included by itself"},
		{"a.ini", "[uwsgi]\nini = $(X).ini\n", "line 2: ini = $(X).ini cannot be followed"},
		{"a.ini", "[uwsgi]\nfor = a\nmodule = x\n", "line 2: `for` is not ended by `endfor`"},
		{"a.ini", "[uwsgi]\nfor = a\nif-env = X\n", "line 3: if-env inside of for"},
	} {
		var out, errs bytes.Buffer
		path := write(t, c.file, c.text)
		if code := Run([]string{"import-uwsgi", path}, &out, &errs); code != failed || !strings.Contains(errs.String(), c.want) || out.Len() > 0 {
			t.Errorf("%s: exit code %d, %q, want %q", c.text, code, errs.String(), c.want)
		}
	}
	var out, errs bytes.Buffer
	if code := Run([]string{"import-uwsgi", filepath.Join(t.TempDir(), "none.ini")}, &out, &errs); code != failed {
		t.Errorf("exit code %d for a file that is not there", code)
	}
	if code := Run([]string{"import-uwsgi"}, &out, &errs); code != misused || !strings.Contains(errs.String(), "usage:") {
		t.Errorf("exit code %d without a file", code)
	}
}

// The page lists what this package knows.
func TestTheDocumentationListsEveryOption(t *testing.T) {
	page, err := os.ReadFile("../../docs/from-uwsgi.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range rules {
		if !bytes.Contains(page, []byte("`"+name+"`")) {
			t.Errorf("docs/from-uwsgi.md does not mention %s", name)
		}
	}
	for alias, name := range aliases {
		if _, ok := rules[name]; !ok {
			t.Errorf("%s leads to %s, which has no rule", alias, name)
		}
	}
	for _, family := range families {
		if _, ok := find(family + "-x"); !ok {
			t.Errorf("family %s", family)
		}
		if head, ok := familyHeads[family]; ok {
			family = head
		}
		if _, ok := rules[family]; !ok {
			t.Errorf("the family of %s has no rule", family)
		}
	}
}
