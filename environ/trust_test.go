package environ

import (
	"net/netip"
	"testing"

	"gosrv/wsgi/http1/proxyproto"
)

// with builds options from the defaults.
func with(change func(*Options)) Options {
	o := gunicornDefaults()
	change(&o)
	return o
}

// expectation is a request, the connection it came on, and what the application sees of some keys; a missing
// value must be absent. status is that of a refusal.
type expectation struct {
	name     string
	options  Options
	listener *Listener
	peer     netip.AddrPort
	raw      string
	status   int
	want     map[string]string
	absent   []string
}

func check(t *testing.T, cases []expectation) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.listener == nil {
				c.listener = tcp
			}
			got, err := pack(t, c.raw, newFacts(rules(t, c.options), c.listener, c.peer))
			if err != nil || c.status != 0 {
				if err == nil || err.Status != c.status {
					t.Fatalf("got %v, want status %d", err, c.status)
				}
				return
			}
			for key, want := range c.want {
				if v, ok := got[key]; !ok || v != want {
					t.Errorf("%s = %q, %v; want %q", key, v, ok, want)
				}
			}
			for _, key := range c.absent {
				if v, ok := got[key]; ok {
					t.Errorf("%s = %q, want it absent", key, v)
				}
			}
		})
	}
}

func get(fields string) string { return "GET /app/x HTTP/1.1\r\nHost: ex.org\r\n" + fields + "\r\n" }

func TestUnderscoresInHeaderNames(t *testing.T) {
	refuse := with(func(o *Options) { o.HeaderMap = "refuse" })
	danger := with(func(o *Options) { o.HeaderMap = "dangerous" })
	all := with(func(o *Options) { o.ForwarderHeaders = []string{"*"} })
	check(t, []expectation{
		{name: "dropped by default", options: gunicornDefaults(), peer: local, raw: get("X_A: 1\r\nX-A: 2\r\n"), want: map[string]string{"HTTP_X_A": "2"}},
		{name: "refused", options: refuse, peer: local, raw: get("X_A: 1\r\n"), status: 400},
		{name: "dangerous merges", options: danger, peer: stranger, raw: get("X_A: 1\r\nX-A: 2\r\n"), want: map[string]string{"HTTP_X_A": "1,2"}},
		{name: "forwarder from a trusted peer", options: refuse, peer: local, raw: get("PATH_INFO: 1\r\n"), want: map[string]string{"HTTP_PATH_INFO": "1", "PATH_INFO": "/app/x"}},
		{name: "forwarder from a stranger", options: gunicornDefaults(), peer: stranger, raw: get("PATH_INFO: 1\r\n"), absent: []string{"HTTP_PATH_INFO"}},
		{name: "all from a trusted peer", options: all, peer: local, raw: get("X_B: 1\r\n"), want: map[string]string{"HTTP_X_B": "1"}},
		{name: "all from a stranger", options: all, peer: stranger, raw: get("X_B: 1\r\n"), absent: []string{"HTTP_X_B"}},
		{name: "framing names do not clobber", options: danger, peer: stranger, raw: get("Content_Length: 9\r\nContent-Length: 0\r\n"),
			want: map[string]string{"CONTENT_LENGTH": "0", "HTTP_CONTENT_LENGTH": "9"}},
	})
}

func TestScriptName(t *testing.T) {
	env := with(func(o *Options) { o.ScriptName = "/app" })
	check(t, []expectation{
		{name: "none", options: gunicornDefaults(), peer: local, raw: get(""), want: map[string]string{"SCRIPT_NAME": "", "PATH_INFO": "/app/x"}},
		{name: "header from a trusted peer", options: gunicornDefaults(), peer: local, raw: get("SCRIPT_NAME: /app\r\n"),
			want: map[string]string{"SCRIPT_NAME": "/app", "PATH_INFO": "/x", "HTTP_SCRIPT_NAME": "/app"}},
		{name: "header in lower case", options: gunicornDefaults(), peer: local, raw: get("script_name: /app\r\n"), want: map[string]string{"SCRIPT_NAME": "/app"}},
		{name: "header from a stranger", options: gunicornDefaults(), peer: stranger, raw: get("SCRIPT_NAME: /app\r\n"), want: map[string]string{"SCRIPT_NAME": "", "PATH_INFO": "/app/x"}},
		{name: "header of a stranger, dangerous", options: with(func(o *Options) { o.HeaderMap = "dangerous" }), peer: stranger, raw: get("SCRIPT_NAME: /app\r\n"),
			want: map[string]string{"SCRIPT_NAME": "", "PATH_INFO": "/app/x"}},
		{name: "name with a dash is another", options: gunicornDefaults(), peer: local, raw: get("Script-Name: /app\r\n"), want: map[string]string{"SCRIPT_NAME": "", "PATH_INFO": "/app/x"}},
		{name: "header that does not match", options: gunicornDefaults(), peer: local, raw: get("SCRIPT_NAME: /other\r\n"), status: 500},
		{name: "from the environment", options: env, peer: stranger, raw: get(""), want: map[string]string{"SCRIPT_NAME": "/app", "PATH_INFO": "/x"}},
		{name: "from the environment, no match", options: env, peer: stranger, raw: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", status: 500},
		{name: "header over the environment", options: env, peer: local, raw: get("SCRIPT_NAME: /app/x\r\n"), want: map[string]string{"SCRIPT_NAME": "/app/x", "PATH_INFO": ""}},
		{name: "OPTIONS * has none to strip", options: env, peer: stranger, raw: "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", want: map[string]string{"SCRIPT_NAME": "/app", "PATH_INFO": "*"}},
		{name: "compared before decoding", options: env, peer: stranger, raw: "GET /%61pp/x HTTP/1.1\r\nHost: a\r\n\r\n", status: 500},
		{name: "decoded after stripping", options: env, peer: stranger, raw: "GET /app/%78 HTTP/1.1\r\nHost: a\r\n\r\n", want: map[string]string{"PATH_INFO": "/x"}},
	})
}

func TestScheme(t *testing.T) {
	tls := &Listener{Host: "0.0.0.0", Port: 443, HTTPS: true}
	d := gunicornDefaults()
	scheme := func(s string) map[string]string { return map[string]string{"wsgi.url_scheme": s} }
	check(t, []expectation{
		{name: "plain", options: d, peer: local, raw: get(""), want: scheme("http")},
		{name: "TLS", options: d, listener: tls, peer: stranger, raw: get(""), want: scheme("https")},
		{name: "proxy says https", options: d, peer: local, raw: get("X-Forwarded-Proto: https\r\n"), want: map[string]string{"wsgi.url_scheme": "https", "HTTP_X_FORWARDED_PROTO": "https"}},
		{name: "stranger says https", options: d, peer: stranger, raw: get("X-Forwarded-Proto: https\r\n"), want: map[string]string{"wsgi.url_scheme": "http", "HTTP_X_FORWARDED_PROTO": "https"}},
		{name: "any other value is http", options: d, listener: tls, peer: local, raw: get("X-Forwarded-Proto: HTTPS\r\n"), want: scheme("http")},
		{name: "two that agree", options: d, peer: local, raw: get("X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: on\r\n"), want: scheme("https")},
		{name: "two that contradict", options: d, peer: local, raw: get("X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n"), status: 400},
		{name: "two of a stranger that contradict", options: d, peer: stranger, raw: get("X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n"), want: scheme("http")},
		{name: "everybody trusted", options: with(func(o *Options) { o.ForwardedAllowIPs = []string{"*"} }), peer: stranger, raw: get("X-Forwarded-Protocol: ssl\r\n"), want: scheme("https")},
		{name: "unix peers are trusted", options: d, listener: unix, raw: get("X-Forwarded-Proto: https\r\n"), want: scheme("https")},
	})
}

func TestRemoteAndServer(t *testing.T) {
	d := gunicornDefaults()
	onUnix := func(host string) string { return "GET / HTTP/1.1\r\n" + host + "\r\n" }
	server := func(name, port string) map[string]string {
		return map[string]string{"SERVER_NAME": name, "SERVER_PORT": port, "REMOTE_ADDR": ""}
	}
	check(t, []expectation{
		{name: "IPv4", options: d, peer: stranger, raw: get(""), want: map[string]string{"REMOTE_ADDR": "192.0.2.7", "REMOTE_PORT": "5000", "SERVER_NAME": "0.0.0.0", "SERVER_PORT": "8000"}},
		{name: "IPv6", options: d, peer: netip.MustParseAddrPort("[2001:db8::1]:80"), raw: get(""), want: map[string]string{"REMOTE_ADDR": "2001:db8::1", "REMOTE_PORT": "80"}},
		{name: "unix: host", options: d, listener: unix, raw: onUnix("Host: ex.org\r\n"), want: server("ex.org", "80"), absent: []string{"REMOTE_PORT"}},
		{name: "unix: host and port", options: d, listener: unix, raw: onUnix("Host: ex.org:8443\r\n"), want: server("ex.org", "8443")},
		{name: "unix: empty port", options: d, listener: unix, raw: onUnix("Host: ex.org:\r\n"), want: server("ex.org", "80")},
		{name: "unix: default port by scheme", options: d, listener: unix, raw: onUnix("Host: ex.org\r\nX-Forwarded-Proto: https\r\n"), want: server("ex.org", "443")},
		{name: "unix: IPv6", options: d, listener: unix, raw: onUnix("Host: [::1]\r\n"), want: server("[::1]", "80")},
		{name: "unix: IPv6 and port", options: d, listener: unix, raw: onUnix("Host: [::1]:81\r\n"), want: server("[::1]", "81")},
		{name: "unix: no host", options: d, listener: unix, raw: onUnix(""), want: server("/run/app.sock", "")},
		{name: "unix: absolute target", options: d, listener: unix, raw: "GET http://ex.org:82/ HTTP/1.1\r\nHost: other\r\n\r\n", want: server("ex.org", "82")},
	})
}

func TestProxiedClientIsRemoteButNotTrusted(t *testing.T) {
	f := newFacts(rules(t, gunicornDefaults()), tcp, stranger)
	f.SetProxied(&proxyproto.Header{Protocol: "TCP4", Source: local, Destination: stranger})
	got, err := pack(t, get("X-Forwarded-Proto: https\r\n"), f)
	if err != nil || got["REMOTE_ADDR"] != "127.0.0.1" || got["REMOTE_PORT"] != "5000" || got["wsgi.url_scheme"] != "http" {
		t.Errorf("got %v %v", got, err)
	}
	if got["PROXY_PROTOCOL"] != "TCP4" || got["PROXY_ADDR"] != "192.0.2.7" || got["PROXY_PORT"] != "5000" || got["HTTP_X_FORWARDED_PROTO"] != "https" {
		t.Errorf("got %v", got)
	}
}

func TestProxyHeaderWithoutAddressesLeavesThePeer(t *testing.T) {
	f := newFacts(rules(t, gunicornDefaults()), tcp, stranger)
	f.SetProxied(&proxyproto.Header{Protocol: "LOCAL"})
	got, err := pack(t, get(""), f)
	if err != nil || got["REMOTE_ADDR"] != "192.0.2.7" || got["REMOTE_PORT"] != "5000" || got["PROXY_PROTOCOL"] != "LOCAL" {
		t.Errorf("got %v %v", got, err)
	}
	for _, key := range []string{"PROXY_ADDR", "PROXY_PORT"} {
		if value, ok := got[key]; ok {
			t.Errorf("%s is %q, want it absent", key, value)
		}
	}
}

func TestAllowList(t *testing.T) {
	a, err := ParseAllowList([]string{"127.0.0.1", " 10.0.0.0/8 ", "", "2001:db8::/32", "::ffff:9.9.9.9"})
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.2": false, "10.255.0.1": true, "11.0.0.1": false, "2001:db8::7": true, "2001:db9::7": false,
		"::ffff:127.0.0.1": true, "9.9.9.9": true, "2001:db8::1%eth0": true, "::1": false,
	} {
		if got := a.Contains(netip.MustParseAddr(s)); got != want {
			t.Errorf("%s: got %v", s, got)
		}
	}
	if a.Contains(netip.Addr{}) {
		t.Error("no address is in the list")
	}
	for _, bad := range []string{"localhost", "10.0.0.1/8", "10.0.0.0/33", "1.2.3", "**"} {
		if _, err := ParseAllowList([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, err := NewRules(Options{HeaderMap: "maybe"}); err == nil {
		t.Error("header_map maybe is taken")
	}
	if _, err := NewRules(Options{ForwardedAllowIPs: []string{"x"}}); err == nil {
		t.Error("forwarded_allow_ips x is taken")
	}
}
