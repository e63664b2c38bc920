package cgotest

import (
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// pythonFacts asks the python3 of PATH for its executable and its shared library.
func pythonFacts(t *testing.T) (library, executable string) {
	t.Helper()
	const ask = `import sys, sysconfig, os; print(os.path.join(*sysconfig.get_config_vars("LIBDIR", "INSTSONAME"))); print(sys.executable)`
	out, err := exec.Command("python3", "-c", ask).Output()
	if err != nil {
		t.Fatalf("asking python3: %v", err)
	}
	lines := strings.Fields(string(out))
	return lines[0], lines[1]
}

func TestResultHasTheSameLayoutInCAndGo(t *testing.T) {
	if inC, inGo := ResultLayouts(); !reflect.DeepEqual(inC, inGo) {
		t.Errorf("gosrv_result: C %v, Go %v", inC, inGo)
	}
}

// The libraries of other versions lie beside the first one's prefix (pyenv's layout).
func TestEveryLibpythonExportsWhatIsUsed(t *testing.T) {
	first, _ := pythonFacts(t)
	found, err := filepath.Glob(filepath.Join(filepath.Dir(first), "../../*/lib/libpython3.*.so.1.0"))
	if err != nil {
		t.Fatal(err)
	}
	for _, library := range append(found, first) {
		if minor := filepath.Base(library); strings.HasPrefix(minor, "libpython3.6m") ||
			strings.HasPrefix(minor, "libpython3.7m") || strings.HasPrefix(minor, "libpython3.8.") {
			continue // older than what gosrv takes
		}
		if missing := MissingSymbol(library); missing != "" {
			t.Errorf("%s lacks %s", filepath.Base(library), missing)
		}
	}
}

// checks run in one interpreter, one after the other.
var checks = []struct{ name, code string }{
	{"input reads as BytesIO does", `
import io, random
random.seed(1)
sizes = [None, -1, 0, 1, 2, 3, 7, 100, 10**9]
for body in (b"", b"\n", b"a", b"a\nb\n\nc", b"x" * 50 + b"\n" + b"y" * 30, b"\n\n\n"):
    for _ in range(400):
        ours, theirs = t.make_input(body), io.BytesIO(body)
        for _ in range(6):
            name = random.choice(["read", "readline", "readlines"])
            size = random.choice(sizes)
            args = () if random.random() < .3 else (size,)
            got, want = getattr(ours, name)(*args), getattr(theirs, name)(*args)
            assert got == want, (body, name, args, got, want)
        assert list(ours) == list(theirs)
`},
	{"input refuses a size that is no number", `
for name in ("read", "readline", "readlines"):
    try:
        getattr(t.make_input(b"abc"), name)("2")
    except TypeError:
        continue
    raise AssertionError(name)
`},
	{"header names become CGI keys", `
assert t.make_environ([("Host", "a"), ("X-Foo-Bar", "b"), ("content-type", "c"), ("CONTENT-LENGTH", "3")]) == {
    "HTTP_HOST": "a", "HTTP_X_FOO_BAR": "b", "CONTENT_TYPE": "c", "CONTENT_LENGTH": "3"}
`},
	{"only the dash form is CGI's own header", `
assert t.make_environ([("Content_Type", "x"), ("content_length", "5")]) == {
    "HTTP_CONTENT_TYPE": "x", "HTTP_CONTENT_LENGTH": "5"}
`},
	{"names differing by dash and underscore stay two names in the key table", `
for name in ("A-B", "A_B", "a-b"):
    assert t.make_environ([(name, name)]) == {"HTTP_A_B": name}
`},
	{"endless new header names cost no memory and stay right", `
for i in range(3000):
    assert t.make_environ([("X-%d" % i, str(i))]) == {"HTTP_X_%d" % i: str(i)}
assert t.make_environ([("Y" * 70, "long"), ("Z" * 300, "longer")]) == {"HTTP_" + "Y" * 70: "long", "HTTP_" + "Z" * 300: "longer"}
`},
}

func TestInInterpreter(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := Start(pythonFacts(t)); err != nil {
		t.Fatal(err)
	}
	for _, c := range checks { // not t.Run: a subtest is another goroutine, on another thread
		if !Run(c.code) {
			t.Errorf("%s: raised, the traceback is above", c.name)
		}
	}
	if taken, dropped := Refs(); taken != dropped {
		t.Errorf("references: %d taken, %d dropped", taken, dropped)
	}
}
