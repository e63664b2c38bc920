package environ

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
)

var (
	tcp      = &Listener{Host: "0.0.0.0", Port: 8000}
	unix     = &Listener{Unix: true, Path: "/run/app.sock"}
	stranger = netip.MustParseAddrPort("192.0.2.7:5000")
	local    = netip.MustParseAddrPort("127.0.0.1:5000")
	lenient  = &http1.Policy{PermitMissingHost: true, PermitFragment: true}
)

// gunicornDefaults are the default settings.
func gunicornDefaults() Options {
	return Options{
		ForwarderHeaders:    []string{"SCRIPT_NAME", "PATH_INFO"},
		SecureSchemeHeaders: map[string]string{"X-FORWARDED-PROTOCOL": "ssl", "X-FORWARDED-PROTO": "https", "X-FORWARDED-SSL": "on"},
		ForwardedAllowIPs:   []string{"127.0.0.1", "::1"},
	}
}

func rules(t testing.TB, o Options) *Rules {
	t.Helper()
	r, err := NewRules(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var slotNames = [NSlots]string{"REQUEST_METHOD", "RAW_URI", "PATH_INFO", "QUERY_STRING", "SERVER_PROTOCOL", "SCRIPT_NAME",
	"REMOTE_ADDR", "REMOTE_PORT", "SERVER_NAME", "SERVER_PORT"}

// newFacts describes a connection accepted by l.
func newFacts(r *Rules, l *Listener, peer netip.AddrPort) Facts {
	c := call.NewClient(peer, l.Unix || r.Trusts(peer.Addr()))
	return Facts{r, l, &c}
}

// environment reads a Packed as C does, the listener's base below it.
func environment(p *Packed, buf []byte, f *Facts) map[string]string {
	str := func(off, n uint32) string {
		if off&InExtra != 0 {
			off &^= InExtra
			return string(p.Extra[off : off+n])
		}
		return string(buf[off : off+n])
	}
	env := map[string]string{}
	for _, v := range f.Listener.Base(f.Rules) {
		env[v.Name] = v.Value
	}
	for s := range NSlots {
		if p.Desc[2*s+1] != Absent {
			env[slotNames[s]] = str(p.Desc[2*s], p.Desc[2*s+1])
		}
	}
	env["wsgi.url_scheme"] = "http"
	if p.HTTPS {
		env["wsgi.url_scheme"] = "https"
	}
	headers := p.Desc[2*NSlots:][:4*p.Headers]
	if p.Proxied {
		for i, said := 0, p.Desc[2*int(NSlots)+4*p.Headers:]; len(said) > 0; i, said = i+1, said[2:] {
			if said[1] != Absent {
				env[strings.ToUpper(proxyNames[i])] = str(said[0], said[1])
			}
		}
	}
	for h := headers; len(h) > 0; h = h[4:] {
		name := strings.ToUpper(str(h[0], nameLen(h[1])))
		key := "HTTP_" + strings.ReplaceAll(name, "-", "_")
		if name == "CONTENT-TYPE" || name == "CONTENT-LENGTH" {
			key = strings.ReplaceAll(name, "-", "_")
		}
		if _, twice := env[key]; twice {
			env[key+" TWICE"] = ""
		}
		env[key] = str(h[2], h[3])
	}
	return env
}

func pack(t testing.TB, raw string, f Facts) (map[string]string, *http1.Error) {
	t.Helper()
	buf := []byte(raw)
	var r http1.Request
	if err := lenient.Parse(buf, &r); err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	var p Packed
	if err := p.Pack(buf, &r, &f); err != nil {
		return nil, err
	}
	return environment(&p, buf, &f), nil
}

func TestPackWhole(t *testing.T) {
	f := newFacts(rules(t, gunicornDefaults()), tcp, stranger)
	got, err := pack(t, "POST /a%20b%2Fc?x=%20 HTTP/1.1\r\nHost: ex.org\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nX-A: 1\r\nx-a: 2\r\n"+
		"Cookie: a=1\r\nCookie: b=2\r\n\r\n", f)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"REQUEST_METHOD": "POST", "RAW_URI": "/a%20b%2Fc?x=%20", "PATH_INFO": "/a b/c", "QUERY_STRING": "x=%20",
		"SERVER_PROTOCOL": "HTTP/1.1", "SCRIPT_NAME": "", "REMOTE_ADDR": "192.0.2.7", "REMOTE_PORT": "5000",
		"SERVER_NAME": "0.0.0.0", "SERVER_PORT": "8000", "wsgi.url_scheme": "http", "HTTP_HOST": "ex.org",
		"CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "3", "HTTP_X_A": "1,2", "HTTP_COOKIE": "a=1; b=2",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
