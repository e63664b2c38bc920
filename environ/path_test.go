package environ

import (
	"net/url"
	"strings"
	"testing"
)

func TestPaths(t *testing.T) {
	d := gunicornDefaults()
	request := func(method, target string) string { return method + " " + target + " HTTP/1.1\r\nHost: h\r\n\r\n" }
	path := func(info, query string) map[string]string {
		return map[string]string{"PATH_INFO": info, "QUERY_STRING": query, "HTTP_HOST": "h"}
	}
	absolute := func(info, query string) map[string]string {
		m := path(info, query)
		m["HTTP_HOST"] = "ex.org:81"
		return m
	}
	check(t, []expectation{
		{name: "plain", options: d, raw: request("GET", "/a/b"), want: path("/a/b", "")},
		{name: "query stays raw", options: d, raw: request("GET", "/a?b=%20?c"), want: path("/a", "b=%20?c")},
		{name: "decoded once", options: d, raw: request("GET", "/%25%32%30"), want: path("/%20", "")},
		{name: "decoded to bytes", options: d, raw: request("GET", "/caf%C3%A9%00"), want: path("/caf\xc3\xa9\x00", "")},
		{name: "bad escapes stay", options: d, raw: request("GET", "/%zz%4%"), want: path("/%zz%4%", "")},
		{name: "plus stays", options: d, raw: request("GET", "/a+b%2B"), want: path("/a+b+", "")},
		{name: "slashes stay", options: d, raw: request("GET", "///a//..%2f"), want: path("///a//../", "")},
		{name: "fragment is no part", options: d, raw: request("GET", "/a?b#c"), want: map[string]string{"PATH_INFO": "/a", "QUERY_STRING": "b", "RAW_URI": "/a?b#c"}},
		{name: "absolute", options: d, raw: request("GET", "http://ex.org:81/a%20b?c"), want: absolute("/a b", "c")},
		{name: "absolute without a path", options: d, raw: request("GET", "http://ex.org:81?c"), want: absolute("/", "c")},
		{name: "absolute without Host", options: d, raw: "GET http://ex.org:81/ HTTP/1.1\r\n\r\n", want: absolute("/", "")},
		{name: "asterisk", options: d, raw: request("OPTIONS", "*"), want: path("*", "")},
	})
}

func TestHeadersThatRepeat(t *testing.T) {
	d := gunicornDefaults()
	many := strings.Repeat("A: 1\r\nB: 2\r\nCookie: c=3\r\n", 50)
	check(t, []expectation{
		{name: "joined without a space", options: d, raw: get("Accept: a\r\nX: y\r\naccept: b\r\nACCEPT: c\r\n"), want: map[string]string{"HTTP_ACCEPT": "a,b,c", "HTTP_X": "y"}, absent: []string{"HTTP_ACCEPT TWICE"}},
		{name: "cookies", options: d, raw: get("Cookie: a=1\r\ncookie: b=2; c=3\r\n"), want: map[string]string{"HTTP_COOKIE": "a=1; b=2; c=3"}},
		{name: "many", options: d, raw: get(many), want: map[string]string{"HTTP_A": strings.Repeat("1,", 49) + "1", "HTTP_B": strings.Repeat("2,", 49) + "2", "HTTP_COOKIE": strings.Repeat("c=3; ", 49) + "c=3"}},
		{name: "names alike but not the same", options: d, raw: get("X-AxC-D: 1\r\nX-AyC-D: 2\r\n"), want: map[string]string{"HTTP_X_AXC_D": "1", "HTTP_X_AYC_D": "2"}},
		{name: "Proxy is never HTTP_PROXY", options: d, peer: local, raw: get("Proxy: http://evil\r\nPROXY: x\r\n"), absent: []string{"HTTP_PROXY"}},
		{name: "values keep their bytes", options: d, raw: get("X: \xff\xa0\t\xe9\r\n"), want: map[string]string{"HTTP_X": "\xff\xa0\t\xe9"}},
	})
}

// FuzzTargetPath holds PATH_INFO against net/url, and the query and the target against what was sent.
func FuzzTargetPath(f *testing.F) {
	for _, s := range []string{"/", "/a%20b?c=d", "/%zz%", "/%C3%A9/%2e%2E", "http://ex.org:81/a?b", "https://[::1]?q", "*", "//a//b", "/a;b=c/d"} {
		f.Add(s)
	}
	rules := rules(f, gunicornDefaults())
	facts := newFacts(rules, tcp, stranger)
	f.Fuzz(func(t *testing.T, target string) {
		env, ok := tryPack("GET "+target+" HTTP/1.1\r\nHost: h\r\n\r\n", facts)
		if !ok {
			return
		}
		if env["RAW_URI"] != target && !strings.ContainsAny(target, " \r\n") {
			t.Fatalf("%q: RAW_URI %q", target, env["RAW_URI"])
		}
		u, err := url.ParseRequestURI(env["RAW_URI"])
		if err != nil || strings.Contains(target, "#") {
			return
		}
		path := u.Path
		if path == "" {
			path = "/"
		}
		if u.Opaque == "" && env["PATH_INFO"] != path || env["QUERY_STRING"] != u.RawQuery {
			t.Fatalf("%q: PATH_INFO %q QUERY_STRING %q, net/url %q %q", target, env["PATH_INFO"], env["QUERY_STRING"], path, u.RawQuery)
		}
	})
}
