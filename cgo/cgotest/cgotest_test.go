package cgotest

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"gosrv/cgo"
	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
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

func TestRequestHasTheSameLayoutInCAndGo(t *testing.T) {
	if inC, inGo := RequestLayouts(); !reflect.DeepEqual(inC, inGo) {
		t.Errorf("gosrv_request: C %v, Go %v", inC, inGo)
	}
}

// A chunk is framed in Go, and in C where pieces leave together.
func TestChunksHaveTheSameSizeLineInCAndGo(t *testing.T) {
	for shift := range 62 {
		for _, n := range []int{1 << shift, 1<<shift + 1, 1<<(shift+1) - 1} {
			if c, g := ChunkLine(n), http1.AppendChunkHeader(nil, n); !bytes.Equal(c, g) {
				t.Fatalf("size line of %d: C %q, Go %q", n, c, g)
			}
		}
	}
}

func TestBatchesLeaveOnceAndInOrder(t *testing.T) {
	for name, wrong := range Batches() {
		if wrong != "" {
			t.Errorf("%s: %s", name, wrong)
		}
	}
}

// The processor and the compiler keep the orders that transmit.c counts on. Of
// the control only a log tells: what it shows depends on the machine, and on both
// threads having a processor.
func TestOrdersOfTransmitHold(t *testing.T) {
	for number := 0; ; number++ {
		shape, seen := Litmus(number, false)
		if shape == "" {
			return
		}
		_, control := Litmus(number, true)
		t.Logf("%s: %d times, with weaker orders %d times", shape, seen, control)
		if seen != 0 {
			t.Errorf("%s: %d times", shape, seen)
		}
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
	{"a body in blocks reads as BytesIO does", `
import io, random
random.seed(3)
size = 65536
def body(length):
    text = bytearray(random.randbytes(length))
    for at in range(size - 1, length, size):
        text[at - 3:at + 3] = random.choice([b"ab\ncde", b"abc\nde", b"abcd\ne", b"abcdef", b"\n\n\n\n\n\n"])[:length - at + 3]
    return bytes(text) if random.random() < .5 else bytes(text).replace(b"\n", b"-")
for length in (1, size - 1, size, size + 1, 2 * size, 3 * size + 5, 4 * size):
    for _ in range(12):
        text = body(length)
        ours, theirs = t.make_blocks(text), io.BytesIO(text)
        for _ in range(8):
            name = random.choice(["read", "read", "readline", "readlines"])
            most = random.choice([None, -1, 0, 1, 7, size - 1, size, size, size, size + 1, 2 * size, 10**9])
            args = () if random.random() < .05 else (most,)
            got, want = getattr(ours, name)(*args), getattr(theirs, name)(*args)
            assert got == want, (length, name, args)
        assert list(ours) == list(theirs)
`},
	{"a block that the application gets is a fresh bytes object to it", `
text = bytes(range(256)) * 512
stream = t.make_blocks(text)
first, second = stream.read(65536), stream.read(65536)
assert first == text[:65536] and hash(first) == hash(bytes(bytearray(first))) and {first: 1}[text[:65536]] == 1
assert len(first) == 65536 and first + b"x" == text[:65536] + b"x" and first is not second
t.end_call(stream)
assert stream.read() == b"" and stream.readline() == b"" and list(stream) == []
assert first == text[:65536]
`},
	{"a body that still comes reads as BytesIO does", `
import io, random
random.seed(2)
sizes = [None, -1, 0, 1, 2, 3, 7, 100, 300, 10**9]
for _ in range(2000):
    pieces = [bytes(random.choices(b"ab\n", k=random.choice([1, 2, 5, 100, 255]))) for _ in range(random.choice([0, 1, 2, 9, 60]))]
    ours, theirs = t.make_stream(pieces), io.BytesIO(b"".join(pieces))
    for _ in range(6):
        name = random.choice(["read", "readline", "readlines"])
        size = random.choice(sizes)
        args = () if random.random() < .1 else (size,)
        got, want = getattr(ours, name)(*args), getattr(theirs, name)(*args)
        assert got == want, (pieces, name, args, got, want)
    assert list(ours) == list(theirs)
    assert ours.read() == b"" and ours.readline(5) == b"" and ours.readlines() == []
`},
	{"a body that breaks off raises after what came of it", `
import errno
def raises(error, number, call, *args):
    try:
        got = call(*args)
    except error as e:
        assert number is None or e.errno == number, e
        assert isinstance(e.args[-1], str) and len(e.args[-1]) > 10, e
        return
    raise AssertionError((error, got))
for number, error in ((errno.ECONNRESET, ConnectionResetError), (errno.ETIMEDOUT, TimeoutError), (errno.EBADMSG, OSError), (errno.EFBIG, OSError)):
    s = t.make_stream([b"line\nrest", number])
    assert s.readline() == b"line\n" and s.read(2) == b"re"
    for _ in range(2):
        raises(error, number, s.read)
        raises(error, number, s.readline)
        raises(error, number, s.readlines)
        raises(error, number, list, s)
        raises(error, number, s.read, 3)
    assert s.read(2) == b"st" and s.read(0) == b""
    raises(error, number, s.read, 1)
`},
	{"an interruption looks for signals and goes on", `
import errno
s = t.make_stream([b"a", errno.EINTR, errno.EINTR, b"b"])
assert s.read() == b"ab"
`},
	{"a stream that is kept beyond its call does not look like one at its end", `
import errno
s = t.make_stream([b"abc", b"def"])
assert s.read(1) == b"a"
t.end_call(s)
for call in (s.read, s.readline, s.readlines, lambda: list(s)):
    raises(OSError, errno.ECANCELED, call)
s = t.make_stream([b"abc"])
assert s.read() == b"abc"
t.end_call(s)
assert s.read() == s.readline() == b"" and list(s) == []
`},
	{"lines and sizes larger than the buffer", `
s = t.make_stream([b"x" * 255] * 63 + [b"y\nz"])
assert s.readline(200) == b"x" * 200 and s.readline() == b"x" * (63 * 255 - 200) + b"y\n" and s.read(5) == b"z"
`},
	{"a value outlives the line that it was found in", `
first, second, third = (letter * 60 for letter in "abc")
t.shape_of([("X-First", first, 5)])
t.shape_of([("X-First", first, 5)])
got = t.shape_of([("X-First", first, 5), ("X-Second", second, 5), ("X-Third", third, 6)])
assert got == {"HTTP_X_FIRST": first, "HTTP_X_SECOND": second, "HTTP_X_THIRD": third}, got
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
	call.TwoCounts = cgo.TwoCounts()
	for _, n := range []int{1, 2, 3, 70000} {
		if o, inC := Object(n); inC != uint32(n) || call.References(o) != uint32(n) {
			t.Errorf("%d references: C counts %d, Go %d", n, inC, call.References(o))
		}
	}
	if taken, dropped := Refs(); taken != dropped {
		t.Errorf("references: %d taken, %d dropped", taken, dropped)
	}
}
