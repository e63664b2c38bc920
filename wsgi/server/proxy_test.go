package server

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"gosrv/wsgi/ipc/workerctl"
)

const (
	proxyLine   = "PROXY TCP4 192.0.2.9 198.51.100.1 5555 443\r\n"
	proxyBinary = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x09\xc6\x33\x64\x01\x15\xb3\x01\xbb"
	proxyLocal  = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
)

// whoAsks answers with what the environ says of the client and the proxy.
func whoAsks(r *fakeRequest) fakeReply {
	return fakeReply{status: "200 OK", headers: []string{"Content-Type: text/plain"}, body: fmt.Append(nil, r.remote, " ", r.proxy)}
}

// behindProxy switches the PROXY protocol on.
func behindProxy(mode string, allow ...string) func(*workerctl.Serve, *[]int) {
	return func(m *workerctl.Serve, _ *[]int) {
		m.Settings.ProxyProtocol, m.Settings.ProxyAllowIPs = mode, allow
	}
}

func TestProxyHeaderNamesTheClient(t *testing.T) {
	const named = "192.0.2.9 5555 [TCP4 198.51.100.1 443]"
	for name, x := range map[string]struct{ mode, header, want string }{
		"v1":                {"v1", proxyLine, named},
		"v1 by auto":        {"auto", proxyLine, named},
		"v2":                {"v2", proxyBinary, named},
		"v2 by auto":        {"auto", proxyBinary, named},
		"none is no header": {"auto", "", "127.0.0.1 %s [  ]"},
		"v2 LOCAL":          {"v2", proxyLocal, "127.0.0.1 %s [LOCAL  ]"},
		"off":               {"off", "", "127.0.0.1 %s [  ]"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveFake(t, testSettings(), whoAsks, behindProxy(x.mode, "127.0.0.1"))
			whole, slow := s.dial(), s.dial()
			whole.send(x.header + get("/") + get("/")) // the second request has no header of its own
			for i := range len(x.header) {
				slow.send(x.header[i : i+1])
			}
			slow.send(get("/"))
			for _, c := range []*client{whole, whole, slow} {
				want := x.want
				if strings.Contains(want, "%s") {
					_, port, _ := net.SplitHostPort(c.LocalAddr().String())
					want = fmt.Sprintf(want, port)
				}
				wantAnswer(c, want)
			}
		})
	}
}

func TestProxyHeadersThatAreRefused(t *testing.T) {
	for name, x := range map[string]struct {
		mode, allow, raw string
		status           int
		served           int64
	}{
		"v1 of another peer":    {"auto", "10.0.0.0/8", proxyLine + get("/"), 403, 0},
		"v2 of another peer":    {"auto", "10.0.0.0/8", proxyBinary + get("/"), 403, 0},
		"faulty, another peer":  {"auto", "10.0.0.0/8", "PROXY TCP4 x\r\n" + get("/"), 403, 0},
		"faulty":                {"auto", "*", "PROXY TCP4 x\r\n" + get("/"), 400, 0},
		"switched off":          {"off", "*", proxyLine + get("/"), 400, 0},
		"the other version":     {"v2", "*", proxyLine + get("/"), 400, 0},
		"before the second one": {"v1", "*", get("/") + proxyLine + get("/"), 400, 1},
		"twice":                 {"v1", "*", proxyLine + proxyLine + get("/"), 400, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveFake(t, testSettings(), whoAsks, behindProxy(x.mode, x.allow))
			c := s.dial()
			c.send(x.raw)
			answers := c.rest()
			if want := fmt.Sprintf("HTTP/1.1 %d ", x.status); !strings.Contains(answers, want) {
				t.Errorf("got %q, want %s", answers, want)
			}
			if n := s.app.calls.Load(); n != x.served {
				t.Errorf("%d requests were served", n)
			}
		})
	}
}

func TestPeerThatMayNotNameClientsCanStillSpeakHTTP(t *testing.T) {
	s := serveFake(t, testSettings(), hello, behindProxy("auto", "10.0.0.1"))
	c := s.dial()
	c.send(get("/"))
	wantAnswer(c, "GET / ")
}

func TestProxyHeaderIsUnderTheDeadlineOfTheHead(t *testing.T) {
	set := testSettings()
	set.Header = 50 * time.Millisecond
	var c *client
	s := serveFake(t, set, hello, behindProxy("v1", "*"), early(t, &c, "PROXY TCP4 "))
	if answer := c.rest(); !strings.HasPrefix(answer, "HTTP/1.1 408 ") {
		t.Errorf("got %q", answer)
	}
	c = s.dial()
	c.send(proxyLine)
	c.gone()
}
