package server

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A body that was not asked for need not come, so that nothing may follow it.
func TestAnswerInsteadOfContinueEndsTheConnection(t *testing.T) {
	s := serveFake(t, streaming(), func(r *fakeRequest) fakeReply { return fakeReply{status: "403 Forbidden"} })
	for _, framing := range []string{"Content-Length: 4", "Transfer-Encoding: chunked"} {
		c := s.dial()
		c.send("POST / HTTP/1.1\r\nHost: a\r\n" + framing + "\r\nExpect: 100-continue\r\n\r\n")
		if got := c.head(); !strings.HasPrefix(got, "HTTP/1.1 403 ") || !strings.Contains(got, "Connection: close") {
			t.Errorf("got %q", got)
		}
		c.send(get("/no-body"))
		c.gone()
	}
	if n := s.app.calls.Load(); n != 2 {
		t.Errorf("%d requests were served", n)
	}
}

// What the application leaves of a body is dropped, and the next request is
// found behind it wherever it begins.
func TestUnreadRestOfABodyIsDropped(t *testing.T) {
	s := serveFake(t, streaming(), func(r *fakeRequest) fakeReply {
		if r.method == "POST" {
			return fakeReply{status: "200 OK", body: []byte(r.take(3))}
		}
		return hello(r)
	})
	rest := strings.Repeat("z", 40_000)
	for name, request := range map[string]string{
		"length":  fmt.Sprintf(streamedLength, 3+len(rest)) + "abc" + rest,
		"chunked": streamedChunked + "3\r\nabc\r\n" + chunked(rest, 999) + "0\r\nT: x\r\n\r\n",
		"end":     streamedChunked + "3\r\nabc\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			for _, cut := range []int{len(request), len(request) - 1, len(request) - 4, strings.Index(request, "abc") + 3} {
				c := s.dial()
				for range 2 {
					early := ""
					if cut == len(request) {
						early = get("/1")
					}
					c.send(request[:cut] + early)
					if got := c.head(); !strings.Contains(got, "Connection: keep-alive") || c.body(3) != "abc" {
						t.Fatalf("cut at %d: %q", cut, got)
					}
					if early == "" {
						c.send(request[cut:] + get("/1"))
					}
					wantAnswer(c, "GET /1 ")
					c.send(get("/2"))
					wantAnswer(c, "GET /2 ")
				}
			}
		})
	}
}

// Nobody reads while the only thread is inside the application. A rest that
// came in that time came in time, and so did the request behind it.
func TestRestThatWaitsInTheSocketIsReadBeforeTheTimeIsUp(t *testing.T) {
	for name, request := range map[string][2]string{
		"length":  {fmt.Sprintf(streamedLength, 6) + "abc", "def"},
		"chunked": {streamedChunked + "3\r\nabc\r\n", "3\r\ndef\r\n0\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			entered, free := make(chan bool), make(chan bool)
			s := serveFake(t, streaming(), func(r *fakeRequest) fakeReply {
				switch {
				case r.method == "POST":
					return fakeReply{status: "200 OK", body: []byte(r.take(3))}
				case r.path == "/slow":
					entered <- true
					<-free
					r.app.w.timers.Shorten(classLinger, 1, 0) // as if it had taken two seconds
				}
				return hello(r)
			})
			c, slow := s.dial(), s.dial()
			c.send(request[0])
			if c.head(); c.body(3) != "abc" {
				t.Fatal("the body was cut")
			}
			slow.send(get("/slow"))
			<-entered
			c.send(request[1] + get("/behind"))
			free <- true
			wantAnswer(slow, "GET /slow ")
			wantAnswer(c, "GET /behind ")
		})
	}
}

func TestMuchUnreadBodyEndsTheConnection(t *testing.T) {
	s := serveFake(t, streaming(), func(r *fakeRequest) fakeReply {
		return fakeReply{status: "200 OK", body: []byte(r.take(3))}
	})
	big := strings.Repeat(get("/smuggled"), 10_000)
	for name, request := range map[string]string{
		"length":           fmt.Sprintf(streamedLength, 1<<20) + big,
		"chunked":          streamedChunked + chunked(big, 30_000) + "0\r\n\r\n",
		"chunked by bytes": streamedChunked + chunked(big, 1) + "0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := s.dial()
			go io.WriteString(c, request)
			if got := c.head(); !strings.HasPrefix(got, "HTTP/1.1 200 ") || c.body(3) != "GET" {
				t.Errorf("got %q", got)
			}
			if rest, err := io.ReadAll(c.r); len(rest) > 0 {
				t.Errorf("%q, %v behind the answer", rest, err)
			}
		})
	}
	if n := s.app.calls.Load(); n != 3 {
		t.Errorf("%d requests were served", n)
	}
}

// The answer has been given when the rest turns out to be malformed.
func TestMalformedRestIsNotAnswered(t *testing.T) {
	s := serveFake(t, streaming(), func(r *fakeRequest) fakeReply {
		return fakeReply{status: "200 OK", body: []byte(r.take(3))}
	})
	c := s.dial()
	c.send(streamedChunked + "3\r\nabc\r\n")
	c.head()
	c.body(3)
	c.send("x\r\n" + get("/smuggled"))
	c.gone()
	if n := s.app.calls.Load(); n != 1 {
		t.Errorf("%d requests were served", n)
	}
}

// What a client does to its body, what the application is told, and what the
// answer is if that ends the call.
var brokenBodies = map[string]struct {
	send, then string // then: after the application has begun to read
	fin        bool
	fault      error
	status     string
}{
	"length cut short":   {send: fmt.Sprintf(streamedLength, 10) + "abcde", fin: true, fault: unix.ECONNRESET, status: "400"},
	"chunk cut short":    {send: streamedChunked + "9\r\nabcde", fin: true, fault: unix.ECONNRESET, status: "400"},
	"no last chunk":      {send: streamedChunked + "5\r\nabcde\r\n", fin: true, fault: unix.ECONNRESET, status: "400"},
	"malformed chunk":    {send: streamedChunked + "5\r\nabcde\r\n", then: "5\r\nabcdeX\r\n", fault: unix.EBADMSG, status: "400"},
	"forbidden trailer":  {send: streamedChunked + "5\r\nabcde\r\n", then: "0\r\nHost: b\r\n\r\n", fault: unix.EBADMSG, status: "400"},
	"chunks over limit":  {send: streamedChunked + "5\r\nabcde\r\n", then: "40\r\n" + strings.Repeat("x", 64) + "\r\n", fault: unix.EFBIG, status: "413"},
	"nothing more comes": {send: fmt.Sprintf(streamedLength, 10) + "abcde", fault: unix.ETIMEDOUT, status: "408"},
}

func TestReadingABrokenBodyFails(t *testing.T) {
	set, hasty := streaming(), streaming()
	set.Bodies.Body = 64
	hasty.Body = 100 * time.Millisecond
	faults, going := make(chan error, 1), make(chan bool, 1)
	handle := func(r *fakeRequest) fakeReply {
		if got := r.take(5); got != "abcde" {
			t.Errorf("read %q", got)
		}
		going <- true
		_, err := io.ReadAll(r)
		faults <- err
		if r.uri == "/own" {
			return fakeReply{status: "422 Own"}
		}
		return fakeReply{fail: 1}
	}
	patient, quick := serveFake(t, set, handle), serveFake(t, hasty, handle)
	for name, x := range brokenBodies {
		s := patient
		if x.fault == unix.ETIMEDOUT {
			s = quick
		}
		for uri, status := range map[string]string{"/x": x.status, "/own": "422"} {
			t.Run(name+uri, func(t *testing.T) {
				c := s.dial()
				c.send(strings.Replace(x.send, "/x", uri, 1))
				<-going
				if c.send(x.then); x.fin {
					_ = c.Conn.(interface{ CloseWrite() error }).CloseWrite()
				}
				if err := <-faults; !errors.Is(err, x.fault) {
					t.Errorf("the application got %v, want %v", err, x.fault)
				}
				if got := c.head(); !strings.HasPrefix(got, "HTTP/1.1 "+status) || !strings.Contains(got, "Connection: close") {
					t.Errorf("got %q", got)
				}
			})
		}
	}
}
