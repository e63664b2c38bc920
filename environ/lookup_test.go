package environ

import (
	"strings"
	"testing"

	"gosrv/wsgi/http1"
	"gosrv/wsgi/http1/proxyproto"
)

// Lookup must know every key that C makes of the packed request, and no other.
func TestLookupFindsWhatTheApplicationSees(t *testing.T) {
	options := gunicornDefaults()
	options.HeaderMap = "dangerous"
	f := newFacts(rules(t, options), tcp, stranger)
	f.SetProxied(&proxyproto.Header{Protocol: "TCP4", Source: local, Destination: stranger})
	buf := []byte("POST /a%20b?q=1 HTTP/1.1\r\nHost: ex.org\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nX-A: 1\r\nx-a: 2\r\n" +
		"Cookie: a=1\r\nCookie: b=2\r\nX_Under: u\r\nContent_Type: odd\r\nX-Empty:\r\n\r\n")
	var r http1.Request
	if err := lenient.Parse(buf, &r); err != nil {
		t.Fatal(err)
	}
	var p Packed
	if err := p.Pack(buf, &r, &f); err != nil {
		t.Fatal(err)
	}
	base := map[string]bool{"SERVER_NAME": true, "SERVER_PORT": true, "SCRIPT_NAME": true, "wsgi.url_scheme": true}
	for key, want := range environment(&p, buf, &f) {
		if base[key] {
			continue
		}
		if got := p.Lookup(buf, strings.ToLower(key)); got == nil || string(got) != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	for _, key := range []string{"", "x", "http_", "x_a", "cookie", "http_content_length", "host", "server_name", "script_name", "proxy"} {
		if got := p.Lookup(buf, key); got != nil {
			t.Errorf("%s: got %q, want nothing", key, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { p.Lookup(buf, "http_x_empty") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
