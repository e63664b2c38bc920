package server

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gosrv/wsgi/call"
	"gosrv/wsgi/response"
)

// hello answers every request by its method, target and body.
func hello(r *fakeRequest) fakeReply {
	return fakeReply{status: "200 OK", headers: []string{"Content-Type: text/plain"}, body: []byte(r.method + " " + r.uri + " " + r.body)}
}

const keptHead = "HTTP/1.1 200 OK\r\nServer: gosrv\r\nConnection: keep-alive\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"

func wantAnswer(c *client, text string) {
	c.t.Helper()
	if got, want := c.head(), fmt.Sprintf(keptHead, len(text)); got != want {
		c.t.Errorf("head %q, want %q", got, want)
	}
	if got := c.body(len(text)); got != text {
		c.t.Errorf("body %q, want %q", got, text)
	}
}

func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n" }

func TestKeptAliveConnectionAnswersRequestsInTurn(t *testing.T) {
	s := serveFake(t, testSettings(), hello)
	c := s.dial()
	for i := range 5 {
		c.send(get(fmt.Sprint("/", i)))
		wantAnswer(c, fmt.Sprintf("GET /%d ", i))
	}
	if n := s.app.calls.Load(); n != 5 {
		t.Errorf("%d crossings for 5 requests", n)
	}
	if n := s.app.nexts.Load(); n != 0 {
		t.Errorf("%d further crossings for small answers", n)
	}
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	s := serveFake(t, testSettings(), hello)
	c := s.dial()
	var all strings.Builder
	for i := range 100 {
		all.WriteString(get(fmt.Sprint("/", i)))
	}
	c.send(all.String())
	for i := range 100 {
		wantAnswer(c, fmt.Sprintf("GET /%d ", i))
	}
}

func TestRequestFedByteByByte(t *testing.T) {
	s := serveFake(t, testSettings(), hello)
	for _, request := range []string{
		"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
		"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: x\r\n\r\n",
	} {
		c := s.dial()
		for range 2 {
			for i := range len(request) {
				c.send(request[i : i+1])
			}
			wantAnswer(c, "POST /x hello")
		}
	}
}

func TestBodiesOfEverySizeArrive(t *testing.T) {
	set := testSettings()
	set.Bodies.InBuffer, set.Bodies.InBlocks = 256<<10, 1<<20
	var place atomic.Pointer[string]
	s := serveFake(t, set, func(r *fakeRequest) fakeReply {
		if r.method == "POST" {
			where := map[bool]string{true: "file"}[r.spooled]
			if r.blocks > 0 {
				where += "blocks"
			}
			place.Store(&where)
		}
		return fakeReply{status: "200 OK", body: []byte(r.body)}
	})
	for _, n := range []int{0, 1, 100, 16 << 10, 17 << 10, 128 << 10, 200 << 10, 256 << 10, 256<<10 + 1, 1<<20 - 1, 1 << 20, 3 << 20} {
		// A connection of its own: a buffer that has grown takes more of a body than is wanted.
		c := s.dial()
		text := strings.Repeat("0123456789abcdef", n/16+1)[:n]
		for i, request := range []string{
			fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", n, text),
			"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(text, 5000) + "0\r\n\r\n",
		} {
			go io.WriteString(c, request+get("/next"))
			c.head()
			if got := c.body(n); got != text {
				t.Fatalf("body of %d bytes came back changed", n)
			}
			// A chunked body's length is known once it is here: one read of it
			// may lie in memory too much.
			want := ""
			switch {
			case n > 1<<20:
				want = "file"
			case n > 256<<10:
				want = "blocks"
			}
			got := *place.Load()
			if testThreads > 1 && got == "file" && want == "blocks" {
				got = want // the thread that was in the application is not back yet
			}
			if got != want && (i == 0 || n > 1<<20) {
				t.Errorf("request %d with a body of %d bytes: it lies in %q, want %q", i, n, got, want)
			}
			c.head()
		}
	}
}

func chunked(text string, size int) string {
	var b strings.Builder
	for len(text) > 0 {
		n := min(size, len(text))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, text[:n])
		text = text[n:]
	}
	return b.String()
}

func TestExpectContinueIsAnsweredWhenTheBodyIsWanted(t *testing.T) {
	set := testSettings()
	set.Bodies.Body = 10
	s := serveFake(t, set, hello)
	c := s.dial()
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
	if got := c.head(); got != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Fatalf("got %q", got)
	}
	c.send("abc")
	wantAnswer(c, "POST / abc")

	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc")
	wantAnswer(c, "POST / abc") // the body is here already: nothing to ask for

	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
	if got := c.head(); !strings.HasPrefix(got, "HTTP/1.1 413 ") {
		t.Errorf("got %q", got)
	}
}

func TestLimitOnChunkedBodies(t *testing.T) {
	set := testSettings()
	set.Bodies.Body = 10
	s := serveFake(t, set, hello)
	c := s.dial()
	c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked("0123456789a", 4) + "0\r\n\r\n")
	if got := c.head(); !strings.HasPrefix(got, "HTTP/1.1 413 ") {
		t.Errorf("got %q", got)
	}
	if s.app.calls.Load() != 0 {
		t.Error("the application saw the request")
	}
}

// stream is an iterable of these pieces.
func stream(pieces ...string) func(int) ([]byte, bool) {
	return func(i int) ([]byte, bool) {
		if i > len(pieces) {
			return nil, false
		}
		return []byte(pieces[i-1]), true
	}
}

const (
	kept    = "Server: gosrv\r\nConnection: keep-alive\r\n"
	closes  = "Server: gosrv\r\nConnection: close\r\n"
	getRoot = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	head    = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
)

// framings are answers of an application and how they must look on the wire.
var framings = map[string]struct {
	request string
	reply   fakeReply
	want    string
}{
	"generator is chunked": {getRoot, fakeReply{status: "200 OK", next: stream("ab", "cde")},
		"HTTP/1.1 200 OK\r\n" + kept + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"},
	"generator with a length is not": {getRoot, fakeReply{status: "200 OK", headers: []string{"Content-Length: 5"}, next: stream("ab", "cde")},
		"HTTP/1.1 200 OK\r\n" + kept + "Content-Length: 5\r\n\r\nabcde"},
	"generator to HTTP/1.0 ends with the connection": {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", fakeReply{status: "200 OK", next: stream("ab")},
		"HTTP/1.1 200 OK\r\n" + closes + "\r\nab"},
	"HTTP/1.0 is kept if asked and the length is known": {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", fakeReply{status: "200 OK", body: []byte("x")},
		"HTTP/1.1 200 OK\r\n" + kept + "Content-Length: 1\r\n\r\nx"},
	"HTTP/1.0 closes": {"GET / HTTP/1.0\r\n\r\n", fakeReply{status: "200 OK", body: []byte("x")},
		"HTTP/1.1 200 OK\r\n" + closes + "Content-Length: 1\r\n\r\nx"},
	"Connection: close closes": {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", fakeReply{status: "200 OK", body: []byte("x")},
		"HTTP/1.1 200 OK\r\n" + closes + "Content-Length: 1\r\n\r\nx"},
	"HEAD keeps the length and has no body": {head, fakeReply{status: "200 OK", headers: []string{"Content-Length: 7"}, body: []byte("0123456")},
		"HTTP/1.1 200 OK\r\n" + kept + "Content-Length: 7\r\n\r\n"},
	"HEAD of a generator": {head, fakeReply{status: "200 OK", next: stream("ab")},
		"HTTP/1.1 200 OK\r\n" + kept + "\r\n"},
	"204 has neither length nor body": {getRoot, fakeReply{status: "204 No Content", headers: []string{"Content-Length: 2", "X: y"}, body: []byte("ab")},
		"HTTP/1.1 204 No Content\r\n" + kept + "X: y\r\n\r\n"},
	"304 keeps the length without body": {getRoot, fakeReply{status: "304 Not Modified", headers: []string{"Content-Length: 2"}, body: []byte("ab")},
		"HTTP/1.1 304 Not Modified\r\n" + kept + "Content-Length: 2\r\n\r\n"},
	"empty body": {getRoot, fakeReply{status: "200 OK"},
		"HTTP/1.1 200 OK\r\n" + kept + "Content-Length: 0\r\n\r\n"},
	"the server's own headers are dropped": {getRoot, fakeReply{status: "200 OK", headers: []string{"Server: x", "date: x", "Connection: close", "Transfer-Encoding: chunked", "A: 1", "A: 2"}},
		"HTTP/1.1 200 OK\r\n" + kept + "A: 1\r\nA: 2\r\nContent-Length: 0\r\n\r\n"},
	"longer than its length is cut": {getRoot, fakeReply{status: "200 OK", headers: []string{"Content-Length: 3"}, body: []byte("abcde")},
		"HTTP/1.1 200 OK\r\n" + kept + "Content-Length: 3\r\n\r\nabc"},
	"pieces longer than the length are cut": {getRoot, fakeReply{status: "200 OK", headers: []string{"Content-Length: 3"}, next: stream("ab", "cd", "ef")},
		"HTTP/1.1 200 OK\r\n" + kept + "Content-Length: 3\r\n\r\nabc"},
	"shorter than its length closes": {getRoot, fakeReply{status: "200 OK", headers: []string{"Content-Length: 9"}, body: []byte("abc")},
		"HTTP/1.1 200 OK\r\n" + kept + "Content-Length: 9\r\n\r\nabc"},
	"large body": {getRoot, fakeReply{status: "200 OK", body: []byte(strings.Repeat("x", 3<<20))},
		"HTTP/1.1 200 OK\r\n" + kept + "Content-Length: 3145728\r\n\r\n" + strings.Repeat("x", 3<<20)},
	"large chunks": {getRoot, fakeReply{status: "200 OK", next: stream(strings.Repeat("x", 40000), strings.Repeat("y", 50000))},
		"HTTP/1.1 200 OK\r\n" + kept + "Transfer-Encoding: chunked\r\n\r\n9c40\r\n" + strings.Repeat("x", 40000) + "\r\nc350\r\n" + strings.Repeat("y", 50000) + "\r\n0\r\n\r\n"},
	"head larger than the buffer": {getRoot, fakeReply{status: "200 OK", headers: []string{"X: " + strings.Repeat("x", 100000)}, body: []byte("b")},
		"HTTP/1.1 200 OK\r\n" + kept + "X: " + strings.Repeat("x", 100000) + "\r\nContent-Length: 1\r\n\r\nb"},
}

func TestFramingFollowsMethodStatusAndVersion(t *testing.T) {
	for name, x := range framings {
		t.Run(name, func(t *testing.T) {
			s := serveFake(t, testSettings(), func(*fakeRequest) fakeReply { return x.reply })
			c := s.dial()
			c.send(x.request)
			got := c.head() + c.body(max(0, len(x.want)-len(x.want[:strings.Index(x.want, "\r\n\r\n")+4])))
			if got != x.want {
				t.Errorf("got %.300q, want %.300q", got, x.want)
			}
			if strings.Contains(x.want, "keep-alive") && !strings.Contains(name, "shorter") {
				c.send("GET /again HTTP/1.1\r\nHost: a\r\n\r\n")
				c.head()
			} else {
				c.gone()
			}
		})
	}
}

func TestFaultsOfTheApplicationAreLoggedAnd500(t *testing.T) {
	for fault, reply := range map[string]fakeReply{
		response.FaultStatus:  {status: "OK"},
		response.FaultName:    {status: "200 OK", headers: []string{"a b: c"}},
		response.FaultValue:   {status: "200 OK", headers: []string{"a: b\r\nc"}},
		response.FaultLength:  {status: "200 OK", headers: []string{"Content-Length: -1"}},
		response.FaultLengths: {status: "200 OK", headers: []string{"Content-Length: 1", "Content-Length: 2"}},
	} {
		s := serveFake(t, testSettings(), func(*fakeRequest) fakeReply { return reply })
		c := s.dial()
		c.send(get("/secret"))
		if got := c.head(); !strings.HasPrefix(got, "HTTP/1.1 500 Internal Server Error\r\n") || !strings.Contains(got, "Connection: close\r\n") {
			t.Errorf("%s: got %q", fault, got)
		}
		if body := c.rest(); strings.Contains(body, "secret") {
			t.Errorf("%s: the page names the request: %q", fault, body)
		}
		if !strings.Contains(s.logged(), "[ERROR] Error handling request GET /secret: "+fault) {
			t.Errorf("%s: log is %q", fault, s.logged())
		}
	}
}

func TestExceptionsBeforeAndAfterTheHead(t *testing.T) {
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		if r.path == "/before" {
			return fakeReply{raise: true}
		}
		reply := fakeReply{status: "200 OK", fail: 2, next: func(i int) ([]byte, bool) { return []byte("piece"), true }}
		return reply
	})
	s.app.closes.Add(1) // the raising call has nothing to close
	c := s.dial()
	c.send(get("/before"))
	if got := c.head(); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
		t.Errorf("got %q", got)
	}
	c = s.dial()
	c.send(get("/after"))
	c.head()
	if got := c.rest(); got != "5\r\npiece\r\n" {
		t.Errorf("got %q: the end must be missing", got)
	}
	c = s.dial()
	c.send("GET /after HTTP/1.0\r\n\r\n")
	c.head()
	if b, err := io.ReadAll(c.r); err == nil {
		t.Errorf("an answer delimited by the connection's end looks whole: %q", b)
	}
}

func TestRefusedRequestsEndTheConnection(t *testing.T) {
	s := serveFake(t, testSettings(), hello)
	c := s.dial()
	c.send("GET / HTTP/1.1\r\nHost : a\r\n\r\n" + get("/smuggled"))
	if got := c.head(); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
		t.Errorf("got %q", got)
	}
	if body := c.rest(); strings.Contains(body, "HTTP/1.1") {
		t.Errorf("something else was answered: %q", body)
	}
	if s.app.calls.Load() != 0 {
		t.Error("the application was called")
	}
	if log := s.logged(); !strings.Contains(log, "[WARNING] Invalid request from ip=127.0.0.1: whitespace before the colon") {
		t.Errorf("log: %q", log)
	}
}

func TestErrorIsDeliveredDespiteAnUnreadBody(t *testing.T) {
	set := testSettings()
	set.Bodies.Body = 100
	s := serveFake(t, set, hello)
	for range 20 {
		c := s.dial()
		go io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n"+strings.Repeat("x", 60000))
		if got := c.head(); !strings.HasPrefix(got, "HTTP/1.1 413 ") {
			t.Fatalf("got %q", got)
		}
	}
}

func TestHalfClosedClientGetsItsAnswer(t *testing.T) {
	s := serveFake(t, testSettings(), hello)
	c := s.dial()
	c.send(get("/"))
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.head()
	if got := c.rest(); got != "GET / " {
		t.Errorf("got %q", got)
	}
}

func TestBodyThatEndsEarlyIsNotServed(t *testing.T) {
	s := serveFake(t, testSettings(), hello)
	c := s.dial()
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
	_ = c.Conn.(*net.TCPConn).CloseWrite()
	if got := c.head(); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
		t.Errorf("got %q", got)
	}
	if s.app.calls.Load() != 0 {
		t.Error("the application was called")
	}
}

func TestSlowReaderHoldsTheGeneratorBack(t *testing.T) {
	const piece = 32 << 10
	var made atomic.Int64
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		if r.path == "/small" {
			return fakeReply{status: "200 OK", body: []byte(fmt.Sprint(made.Load()))}
		}
		return fakeReply{status: "200 OK", headers: []string{fmt.Sprint("Content-Length: ", 2000*piece)}, next: func(i int) ([]byte, bool) {
			if i > 2000 {
				return nil, false
			}
			made.Store(int64(i))
			return make([]byte, piece), true
		}}
	})
	slow := s.dial()
	slow.send(get("/"))
	slow.head()
	quick := s.dial()
	last := ""
	for { // others are served while the generator waits
		quick.send(get("/small"))
		h := quick.head()
		var n int
		fmt.Sscanf(h[strings.Index(h, "Content-Length: "):], "Content-Length: %d", &n)
		got := quick.body(n)
		if got == last {
			break
		}
		last = got
		time.Sleep(20 * time.Millisecond)
	}
	if made.Load() > 600 { // 64 MB would be 2000; the socket's buffers take some
		t.Errorf("%d pieces were made for a client that reads nothing", made.Load())
	}
	if n, err := io.CopyN(io.Discard, slow.r, 2000*piece); err != nil {
		t.Errorf("after %d bytes: %v", n, err)
	}
	slow.send(get("/small"))
	slow.head()
}

func TestClientGoneFinishesTheCallOnce(t *testing.T) {
	closed := make(chan struct{}, 10)
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		return fakeReply{status: "200 OK", closed: func() { closed <- struct{}{} }, next: func(i int) ([]byte, bool) { return make([]byte, 60000), true }}
	})
	c := s.dial()
	c.send(get("/"))
	c.head()
	c.Close()
	<-closed
}

func TestFilesLeaveBySendfile(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "f")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("0123456789", 500_000)
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		switch r.path {
		case "/cut":
			return fakeReply{status: "206 Partial Content", headers: []string{"Content-Length: 5"}, file: f, off: 2, n: 100}
		case "/short":
			return fakeReply{status: "200 OK", headers: []string{"Content-Length: 6000000"}, file: f, n: 5_000_000}
		}
		return fakeReply{status: "200 OK", file: f, off: 5, n: int64(len(text)) - 5}
	})
	c := s.dial()
	c.send(get("/"))
	if got := c.head(); !strings.Contains(got, "Content-Length: 4999995\r\n") {
		t.Errorf("got %q", got)
	}
	if got := c.body(len(text) - 5); got != text[5:] {
		t.Error("the file came changed")
	}
	c.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + get("/cut"))
	c.head()
	c.head()
	if got := c.body(5); got != "23456" {
		t.Errorf("range: %q", got)
	}
	c.send(get("/short"))
	c.head()
	if got := c.rest(); len(got) != 5_000_000 {
		t.Errorf("%d bytes", len(got))
	}
	if n := s.app.nexts.Load(); n != 0 {
		t.Errorf("%d crossings for file pieces", n)
	}
}

func TestWriteCallableLeavesAtOnce(t *testing.T) {
	read := make(chan struct{})
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		reply := fakeReply{status: "200 OK"}
		s := r.app.w.threads[r.app.w.conns[r.conn].thread]
		s.hint(r.app.pack(&fakeReply{headers: []string{"Link: </a.css>"}}))
		s.writes(call.Batch{}, r.app.pack(&reply), []byte("first"))
		<-read
		s.writes(call.Batch{}, nil, []byte("second"))
		reply.status = "" // the head is out
		reply.body = []byte("third")
		return reply
	})
	c := s.dial()
	c.send(get("/"))
	if got := c.head(); got != "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" {
		t.Errorf("got %q", got)
	}
	c.head()
	if got := c.body(10); got != "5\r\nfirst\r\n" {
		t.Errorf("got %q", got)
	}
	close(read)
	if got := c.body(26); got != "6\r\nsecond\r\n5\r\nthird\r\n0\r\n\r\n" {
		t.Errorf("got %q", got)
	}
}
