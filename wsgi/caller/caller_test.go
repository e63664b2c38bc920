package caller

import (
	"net/netip"
	"testing"

	"gosrv/cpython"
	"gosrv/environ"
	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/ipc/workerctl"
)

// fakePython keeps what it was called with.
type fakePython struct {
	flags   uint32
	base    cpython.Base
	headers int
	calls   int
}

func (f *fakePython) Call(r *cpython.Request, res *call.Result) call.State {
	f.flags, f.base, f.headers = r.Flags, r.Base, r.Headers
	f.calls++
	return call.Done
}

// newCaller has two listeners: a TCP socket at 192.0.2.1:8000 and a unix socket.
func newCaller(t *testing.T) *Caller {
	t.Helper()
	rules, err := environ.NewRules(environ.Options{
		SecureSchemeHeaders: map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "on"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := New(rules)
	bases := cpython.Base(7)
	for i, d := range []workerctl.Listener{{Kind: "tcp", Host: "192.0.2.1", Port: 8000}, {Kind: "unix", Path: "/run/a"}} {
		n, err := c.Listen(d, func(kv []cpython.KV) (cpython.Base, error) {
			if len(kv) != 3 || kv[0].Key != "SERVER_NAME" {
				t.Errorf("the base is %v", kv)
			}
			bases++
			return bases, nil
		})
		if err != nil || n != call.Listener(i) {
			t.Fatalf("listener %d is number %d: %v", i, n, err)
		}
	}
	return c
}

func (c *Caller) fakeThread() (*Thread, *fakePython) {
	p := new(fakePython)
	return &Thread{Description: Description{c: c}, python: p}, p
}

// request is a head as the server describes it.
func request(t *testing.T, head string, client *call.Client) *call.Request {
	t.Helper()
	policy := http1.Policy{RequestLine: 4094, Fields: 100, FieldSize: 8190}
	r := &http1.Request{}
	r.Reset()
	if err := policy.Parse([]byte(head), r); err != nil {
		t.Fatal(err)
	}
	return &call.Request{Head: []byte(head), Parsed: r, Client: client, Body: &call.Body{FD: -1}}
}

// client is one at 203.0.113.7:4000.
func client(trusted bool) *call.Client {
	c := call.NewClient(netip.MustParseAddrPort("203.0.113.7:4000"), trusted)
	return &c
}

func TestDescriptionSaysWhatTheEnvironWillHave(t *testing.T) {
	c := newCaller(t)
	d := c.Description()
	r := request(t, "GET /a%20b?q HTTP/1.1\r\nHost: a\r\nX-In: i\r\nX-Forwarded-Proto: https\r\n\r\n", client(true))
	if bad := d.Describe(r); bad != nil {
		t.Fatal(bad)
	}
	if path, remote := string(d.Path(r.Head)), string(d.Remote(r.Head)); path != "/a b" || remote != "203.0.113.7" {
		t.Errorf("path %q, remote %q", path, remote)
	}
	for key, want := range map[string]string{
		"http_x_in": "i", "query_string": "q", "server_port": "8000", "server_name": "192.0.2.1", "wsgi.url_scheme": "https", "http_x_out": "",
	} {
		if got := string(d.Served(r.Head, key)); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

func TestDescriptionRefusesASchemeInDispute(t *testing.T) {
	c := newCaller(t)
	head := "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n\r\n"
	if bad := c.Description().Describe(request(t, head, client(true))); bad == nil || bad.Status != 400 {
		t.Errorf("got %v", bad)
	}
	if bad := c.Description().Describe(request(t, head, client(false))); bad != nil {
		t.Errorf("of a stranger: %v", bad)
	}
}

func TestCallNamesListenerSchemeAndGIL(t *testing.T) {
	c := newCaller(t)
	thread, python := c.fakeThread()
	r := request(t, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n", client(true))
	r.Listener, r.KeepGIL = 1, true
	if bad := thread.Describe(r); bad != nil {
		t.Fatal(bad)
	}
	var res call.Result
	if state := thread.Call(r, &res); state != call.Done || python.base != 9 || python.headers != 2 {
		t.Errorf("state %d, base %d, %d headers", state, python.base, python.headers)
	}
	if python.flags != cpython.HTTPS|cpython.KeepGIL {
		t.Errorf("flags %b", python.flags)
	}
}

// C has one environ a thread for a block: it is told when that stands for another one than before, and only then.
func TestEnvironOfANumberedBlockIsCached(t *testing.T) {
	c := newCaller(t)
	thread, python := c.fakeThread()
	var res call.Result
	flags := func(client *call.Client, block http1.Block, listener call.Listener) uint32 {
		t.Helper()
		r := request(t, "GET /x HTTP/1.1\r\nHost: a\r\nX-In: i\r\n\r\n", client)
		r.Block, r.Listener = block, listener
		if bad := thread.Describe(r); bad != nil {
			t.Fatal(bad)
		}
		thread.Call(r, &res)
		if got := string(thread.Served(r.Head, "http_x_in")); got != "i" || python.headers != 2 {
			t.Errorf("X-In is %q, %d headers", got, python.headers)
		}
		return python.flags
	}
	first, next := http1.Block{Number: 5, Version: 1}, http1.Block{Number: 5, Version: 2}
	cached := cpython.CachedEnviron(5)
	for step, x := range []struct {
		client   *call.Client
		block    http1.Block
		listener call.Listener
		want     uint32
	}{
		{client(false), http1.Block{}, 0, 0}, // the server does not know the block
		{client(false), first, 0, 0},         // it is remembered
		{client(false), first, 0, cached | cpython.CachedNew},
		{client(false), first, 0, cached},
		{client(true), first, 0, 0}, // whose environ may differ
		{client(true), first, 0, cached | cpython.CachedNew},
		{client(true), first, 1, 0},
		{client(true), next, 1, 0}, // the number is another block's
		{client(true), next, 1, cached | cpython.CachedNew},
		{client(true), next, 1, cached},
	} {
		if got := flags(x.client, x.block, x.listener); got != x.want {
			t.Errorf("step %d: flags %b, want %b", step, got, x.want)
		}
	}
	other, python := c.fakeThread()
	r := request(t, "GET /x HTTP/1.1\r\nHost: a\r\nX-In: i\r\n\r\n", client(true))
	r.Block, r.Listener = next, 1
	_ = other.Describe(r)
	other.Call(r, &res)
	if python.flags != cached|cpython.CachedNew {
		t.Errorf("another thread's first: flags %b", python.flags)
	}
}

func TestCallingAllocatesNothing(t *testing.T) {
	c := newCaller(t)
	thread, python := c.fakeThread()
	known := request(t, "GET /path?query HTTP/1.1\r\nHost: a\r\nX-In: i\r\n\r\n", client(false))
	fresh := *known
	known.Block = http1.Block{Number: 1, Version: 1}
	var res call.Result
	if n := testing.AllocsPerRun(1000, func() {
		for _, r := range []*call.Request{known, &fresh} {
			if bad := thread.Describe(r); bad != nil {
				t.Fatal(bad)
			}
			thread.Call(r, &res)
		}
	}); n != 0 || python.calls == 0 {
		t.Errorf("%v allocations, %d calls", n, python.calls)
	}
}
