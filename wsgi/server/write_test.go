package server

import (
	"strings"
	"testing"
)

// hint calls wsgi.early_hints from inside the application.
func (r *fakeRequest) hint(headers ...string) bool {
	w := r.app.w
	return w.threads[w.conns[r.conn].thread].hint(r.app.pack(&fakeReply{headers: headers}))
}

func TestEarlyHintsLeaveBeforeTheAnswer(t *testing.T) {
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		for _, name := range []string{"a", "b"} {
			if !r.hint("Link: </"+name+".css>; rel=preload", "Connection: close", "Transfer-Encoding: chunked", "Content-Length: 5", "Date: now") {
				t.Error("valid hints are refused")
			}
		}
		return hello(r)
	})
	c := s.dial()
	for range 2 {
		c.send(get("/"))
		for _, name := range []string{"a", "b"} {
			if got, want := c.head(), "HTTP/1.1 103 Early Hints\r\nLink: </"+name+".css>; rel=preload\r\n\r\n"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		wantAnswer(c, "GET / ")
	}
}

func TestEarlyHintsThatAreNotSent(t *testing.T) {
	for name, x := range map[string]struct {
		request string
		handle  func(r *fakeRequest) (valid bool)
		valid   bool
	}{
		"client of HTTP/1.0":     {"GET / HTTP/1.0\r\n\r\n", func(r *fakeRequest) bool { return r.hint("Link: </a>") }, true},
		"a value that splits":    {get("/"), func(r *fakeRequest) bool { return r.hint("Link: </a>", "X: a\r\nY: b") }, false},
		"a name that is no name": {get("/"), func(r *fakeRequest) bool { return r.hint("Li nk: </a>") }, false},
		"an empty name":          {get("/"), func(r *fakeRequest) bool { return r.hint(": x") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
				if got := x.handle(r); got != x.valid {
					t.Errorf("valid is %v", got)
				}
				return hello(r)
			})
			c := s.dial()
			c.send(x.request)
			if got := c.head(); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestEarlyHintsAfterTheHeadAreNotSent(t *testing.T) {
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		return fakeReply{status: "200 OK", next: func(i int) ([]byte, bool) {
			if i > 1 && !r.hint("Link: </a>") {
				t.Error("valid hints are refused")
			}
			return []byte("x"), i < 3
		}}
	})
	c := s.dial()
	c.send(get("/"))
	if got := c.head(); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("got %q", got)
	}
	if got := c.body(17); got != "1\r\nx\r\n1\r\nx\r\n0\r\n\r\n" {
		t.Errorf("got %q", got)
	}
}
