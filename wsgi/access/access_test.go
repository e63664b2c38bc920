package access

import (
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/logs/errlog"
)

// fakeEnviron is what a server put into environ.
type fakeEnviron map[string]string

func (e fakeEnviron) Path([]byte) []byte   { return e.Served(nil, "path_info") }
func (e fakeEnviron) Remote([]byte) []byte { return e.Served(nil, "remote_addr") }
func (e fakeEnviron) Served(_ []byte, key string) []byte {
	if value, ok := e[key]; ok {
		return []byte(value)
	}
	return nil
}

// logged is a Log with its file, whose lines the function gives.
func logged(t *testing.T, format string) (*Log, func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.log")
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_APPEND|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	l := New(errlog.New(2, "info"))
	if l.Wanted() {
		t.Error("a log that goes nowhere wants requests")
	}
	l.OpenFile(format, fd)
	if !l.Wanted() {
		t.Error("a log with a file wants none")
	}
	return l, func() string {
		l.Close()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

func parsed(t *testing.T, head string) *Request {
	t.Helper()
	r := new(http1.Request)
	r.Reset()
	if err := (&http1.Policy{RequestLine: 4094, Fields: 100, FieldSize: 8190}).Parse([]byte(head), r); err != nil {
		t.Fatal(err)
	}
	return &Request{Head: []byte(head), Parsed: r}
}

// notes packs what the application left in environ as C does.
func notes(pairs ...string) []byte {
	var b []byte
	for _, text := range pairs {
		b = append(binary.NativeEndian.AppendUint32(b, uint32(len(text))), text...)
	}
	return b
}

const aRequest = "GET /a?q HTTP/1.1\r\nHost: a\r\nX-In: i\r\n\r\n"

func TestLineSaysWhatBecameOfARequest(t *testing.T) {
	l, text := logged(t, `%(h)s "%(r)s" %(U)s %(q)s %(s)s %(B)s %({x-in}i)s %({http_x_in}e)s %({nothing}e)s %(L)s`)
	r := parsed(t, aRequest)
	r.Environ = fakeEnviron{"path_info": "/a", "remote_addr": "192.0.2.1", "http_x_in": "i"}
	var line Line
	l.Record(&line, r, 200, 5, 1500*time.Millisecond)
	if got, want := text(), "192.0.2.1 \"GET /a?q HTTP/1.1\" /a q 200 5 i i - 1.500000\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What the application has made of environ is shown; what it left alone is shown as the client has sent it,
// byte for byte.
func TestLineShowsEnvironAsTheApplicationLeftIt(t *testing.T) {
	l, text := logged(t, `%(h)s %({remote_user}e)s %({http_x_in}e)s`)
	r := parsed(t, aRequest)
	r.Environ = fakeEnviron{"remote_addr": "192.0.2.1", "http_x_in": "caf\xe9"}
	r.Notes = notes("remote_addr", "203.0.113.9", "remote_user", "eve", "http_x_in", "café")
	l.Record(new(Line), r, 200, 5, 0)
	if got, want := text(), "203.0.113.9 eve caf\\xe9\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLineOfARefusalKnowsItsClientOnly(t *testing.T) {
	l, text := logged(t, `%(h)s "%(r)s" %(U)s %(s)s %({http_x_in}e)s`)
	r := parsed(t, aRequest)
	client := call.NewClient(netip.MustParseAddrPort("[2001:db8::1]:5000"), false)
	r.Client = &client
	l.RecordRefusal(new(Line), r, 413, 9)
	if got, want := text(), "2001:db8::1 \"GET /a?q HTTP/1.1\" /a 413 -\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Where Python's loggers write the lines they hear of what the application has not seen, and of nothing else.
func TestPythonHearsOfRefusals(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	l, text := logged(t, "%(r)s")
	l.Follow(Python{FD: pair[0], Access: true})
	if l.Wanted() {
		t.Error("requests are wanted that Python logs itself")
	}
	r := parsed(t, aRequest)
	client := call.NewClient(netip.AddrPort{}, true)
	r.Client = &client
	l.RecordRefusal(new(Line), r, 400, 3)
	buf := make([]byte, 4096)
	n, err := unix.Read(pair[1], buf)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Kind, Method, Target, Remote string
		Status                       int
	}
	if err := json.Unmarshal(buf[:n], &got); err != nil || got.Kind != "refused" || got.Method != "GET" || got.Target != "/a?q" || got.Status != 400 || got.Remote != "" {
		t.Errorf("%v: %s", err, buf[:n])
	}
	if got := text(); got != "" {
		t.Errorf("the file has %q", got)
	}
}
