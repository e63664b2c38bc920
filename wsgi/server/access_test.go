package server

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/answer"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/response"
)

// logTo gives the worker an access log at path.
func logTo(t *testing.T, path, format string) func(*workerctl.Serve, *[]int) {
	return func(m *workerctl.Serve, fds *[]int) {
		m.Settings.AccessLogFormat = format
		m.FDs = append(m.FDs, workerctl.FDAccessLog)
		*fds = append(*fds, openLog(t, path))
	}
}

func openLog(t *testing.T, path string) int {
	t.Helper()
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// accessLines ends the worker and reads its access log.
func (s *server) accessLines(path string) []string {
	s.t.Helper()
	s.stop()
	s.access.Close()
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// withAccessLog sends raw on one connection, reads what comes and gives the log.
func withAccessLog(t *testing.T, set Settings, format, raw string, handle func(*fakeRequest) fakeReply) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.log")
	s := serveFake(t, set, handle, logTo(t, path, format))
	c := s.dial()
	c.send(raw)
	c.rest()
	return s.accessLines(path)
}

const closing = " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

func TestAccessLogCountsWhatWasSent(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "file")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(strings.Repeat("x", 100_000)); err != nil {
		t.Fatal(err)
	}
	large := []byte(strings.Repeat("y", 300_000))
	page := len("<html>\n  <head>\n    <title>Internal Server Error</title>\n  </head>\n  <body>\n    <h1><p>Internal Server Error</p></h1>\n    \n  </body>\n</html>\n")
	for name, x := range map[string]struct {
		method string
		reply  fakeReply
		want   string
	}{
		"in one piece":    {"GET", fakeReply{status: "200 OK", body: []byte("hello")}, "200 5"},
		"HEAD":            {"HEAD", fakeReply{status: "200 OK", body: []byte("hello")}, "200 0"},
		"no content":      {"GET", fakeReply{status: "204 No Content"}, "204 0"},
		"large":           {"GET", fakeReply{status: "200 OK", body: large, big: true}, "200 300000"},
		"streamed":        {"GET", fakeReply{status: "200 OK", next: func(i int) ([]byte, bool) { return []byte("abc"), i <= 3 }}, "200 9"},
		"file":            {"GET", fakeReply{status: "206 Partial", file: file, off: 10, n: 90_000}, "206 90000"},
		"more than said":  {"GET", fakeReply{status: "200 OK", headers: []string{"Content-Length: 3"}, body: []byte("hello")}, "200 3"},
		"less than said":  {"GET", fakeReply{status: "200 OK", headers: []string{"Content-Length: 9"}, body: []byte("hello")}, "200 5"},
		"exception":       {"GET", fakeReply{status: "200 OK", fail: 1}, fmt.Sprint("500 ", page)},
		"exception, HEAD": {"HEAD", fakeReply{status: "200 OK", fail: 1}, "500 0"},
		"faulty head":     {"GET", fakeReply{status: "abc", body: []byte("hello")}, fmt.Sprint("500 ", page)},
	} {
		t.Run(name, func(t *testing.T) {
			got := withAccessLog(t, testSettings(), "%(s)s %(B)s", x.method+" /"+closing, func(*fakeRequest) fakeReply { return x.reply })
			if len(got) != 1 || got[0] != x.want {
				t.Errorf("got %q, want %q", got, x.want)
			}
		})
	}
}

func TestAccessLogOfRefusals(t *testing.T) {
	set := testSettings()
	set.Bodies.Body = 5
	set.Header, set.Body = 20*time.Second, 50*time.Millisecond
	for name, x := range map[string]struct{ raw, want string }{
		"a bad header":            {"GET /a%20b?q HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nBad Name: x\r\n\r\n", "127.0.0.1 GET /a%20b?q HTTP/1.1 400 1"},
		"no host":                 {"GET / HTTP/1.1\r\n\r\n", "127.0.0.1 GET / HTTP/1.1 400 -"},
		"a header too long":       {"GET / HTTP/1.1\r\nX-B: " + strings.Repeat("x", 9000), "127.0.0.1 GET / HTTP/1.1 431 -"},
		"a version to come":       {"GET / HTTP/2.0\r\n\r\n", "127.0.0.1 GET / HTTP/2.0 505 -"},
		"a large body":            {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n", "127.0.0.1 POST / HTTP/1.1 413 -"},
		"a large body in chunks":  {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n", "127.0.0.1 POST / HTTP/1.1 413 -"},
		"bad chunks":              {"POST / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "127.0.0.1 POST / HTTP/1.1 400 1"},
		"half a head":             {"GET / HTTP/1.1\r\nHost:", "127.0.0.1 GET / HTTP/1.1 408 -"},
		"half a body":             {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nx", "127.0.0.1 POST / HTTP/1.1 408 -"},
		"one that is described":   {"GET / HTTP/1.1\r\nHost: a\r\nX-Refuse: 1\r\n\r\n", "127.0.0.1 GET / HTTP/1.1 400 -"},
		"half a request line":     {"GET / HT", ""},
		"no request line at all":  {"\x16\x03\x01", ""},
		"a method of small print": {"get / HTTP/1.1\r\n\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			set := set
			if strings.HasPrefix(name, "half a head") || x.want == "" {
				set.Header = 50 * time.Millisecond
			}
			path := filepath.Join(t.TempDir(), "access.log")
			var c *client
			s := serveFake(t, set, hello, early(t, &c, x.raw), logTo(t, path, "%(h)s %(r)s %(s)s %({x-a}i)s"))
			c.rest()
			if got := s.accessLines(path); len(got) != 1 || got[0] != x.want {
				t.Errorf("got %q, want %q", got, x.want)
			}
		})
	}
}

// A client that leaves in the middle is logged once, with what it was given.
func TestAccessLogOfACutAnswer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	const total = 64 << 20
	ended := make(chan bool, 1)
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		return fakeReply{status: "200 OK", headers: []string{"X-Out: kept"}, big: true, body: make([]byte, total), closed: func() { ended <- true }}
	}, logTo(t, path, "%(U)s %(s)s %(B)s %({x-out}o)s %({http_host}e)s"))
	c, other := s.dial(), s.dial()
	c.send(get("/a%20b"))
	c.head()
	other.send("GET /other" + closing) // the thread serves another in between
	if got := other.head(); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Fatalf("got %q", got)
	}
	other.Close()
	c.Close()
	<-ended
	<-ended
	for _, line := range s.accessLines(path) {
		var route, status, out, seen string
		var sent int
		if n, err := fmt.Sscan(strings.ReplaceAll(line, "/a b", "/a+b"), &route, &status, &sent, &out, &seen); n != 5 || err != nil {
			t.Fatalf("line %q", line)
		}
		if sent <= 0 || sent >= total || status != "200" || out != "kept" || seen != "a" || route != "/a+b" && route != "/other" {
			t.Errorf("line %q", line)
		}
	}
}

func TestAccessLogFormats(t *testing.T) {
	refused := withAccessLog(t, testSettings(), "%(r)", "GET /"+closing, hello)
	if len(refused) != 1 || !strings.HasPrefix(refused[0], "127.0.0.1 - - [") || !strings.HasSuffix(refused[0], `"GET / HTTP/1.1" 200 6 "-" "-"`) {
		t.Errorf("a format that Python refuses: %q, want Gunicorn's default", refused)
	}
	lines := withAccessLog(t, testSettings(), "json", "GET /a%20b?q"+closing, hello)
	var got map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &got); err != nil {
		t.Fatal(err)
	}
	if got["path"] != "/a b" || got["query"] != "q" || got["status"] != 200.0 || got["remote_addr"] != "127.0.0.1" {
		t.Errorf("got %v", got)
	}
}

func TestReopenedAccessLogMoves(t *testing.T) {
	dir := t.TempDir()
	before, after := filepath.Join(dir, "before"), filepath.Join(dir, "after")
	s := serveFake(t, testSettings(), hello, logTo(t, before, "%(U)s"))
	c := s.dial()
	c.send(get("/one"))
	wantAnswer(c, "GET /one ")
	for { // the line must be in its file before the file is another
		if n, _ := s.access.Counts(); n == 1 {
			break
		}
	}
	fd := openLog(t, after)
	if err := s.master.Send(workerctl.ReopenLogs{FDs: []string{workerctl.FDAccessLog}}, fd); err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	for { // orders and requests come by different ways
		c.send(get("/two"))
		wantAnswer(c, "GET /two ")
		if text, _ := os.ReadFile(after); len(text) > 0 {
			break
		}
	}
	if got := s.accessLines(after); got[0] != "/two" {
		t.Errorf("after: %q", got)
	}
	if text, _ := os.ReadFile(before); !strings.HasPrefix(string(text), "/one\n") {
		t.Errorf("before: %q", text)
	}
}

func TestAccessLogAllocatesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	allocations := -1.0
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		w := r.app.w
		c := w.conns[r.conn]
		s := w.threads[c.thread]
		a := answer.Answer{Frame: response.Framing{Status: 200}, Bytes: 5}
		allocations = testing.AllocsPerRun(200, func() {
			a.Logged = false
			s.record(c, &a, s.request(c))
		})
		return hello(r)
	}, logTo(t, path, `%(h)s %(U)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %({x-a}i)s %({http_x_a}e)s %({server_name}e)s %(L)s`))
	c := s.dial()
	c.send("GET /a%20b?q HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n")
	c.head()
	s.stop()
	if allocations > 0.1 { // the queue grows now and then
		t.Errorf("%v allocations for a line", allocations)
	}
}
