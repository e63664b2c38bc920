package environ

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"gosrv/wsgi/http1"
)

// tryPack is pack for input that may be refused.
// tryPack packs raw afresh and then as lines that are more and more known: the environ must not show it.
func tryPack(raw string, f Facts) (map[string]string, bool) {
	first, ok := packWith(nil, raw, f)
	lines := http1.NewLines(f.Rules.Mark)
	for n := range 4 {
		if again, ok2 := packWith(lines, raw, f); ok2 != ok || !reflect.DeepEqual(first, again) {
			panic(fmt.Sprintf("%q: the environ with known lines differs in round %d:\n%v\n%v", raw, n, again, first))
		}
	}
	return first, ok
}

func packWith(lines *http1.Lines, raw string, f Facts) (map[string]string, bool) {
	buf := []byte(raw)
	r := http1.Request{Lines: lines}
	var p Packed
	if lenient.Parse(buf, &r) != nil || p.Pack(buf, &r, &f) != nil {
		return nil, false
	}
	return environment(&p, buf, &f), true
}

type gunicornCase struct {
	Name     string
	Valid    bool
	Settings map[string]any
	Raw      string
	Requests []struct {
		Method, URI string
		Headers     [][2]string
	}
}

func gunicornCases(tb testing.TB) (out []gunicornCase) {
	b, err := os.ReadFile("../tests/http/gunicorn_requests.json")
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func latin1(s string) string {
	b := make([]byte, 0, len(s))
	for _, c := range s {
		b = append(b, byte(c))
	}
	return string(b)
}

// TestGunicornCorpus looks at the environ where the parser's own test looks at heads: each header of the first
// request must be there, joined, and nothing else.
func TestGunicornCorpus(t *testing.T) {
	for _, c := range gunicornCases(t) {
		o := gunicornDefaults()
		if v, ok := c.Settings["header_map"].(string); ok {
			o.HeaderMap = v
		}
		if v, ok := c.Settings["forwarded_allow_ips"].(string); ok {
			o.ForwardedAllowIPs = strings.Split(v, ",")
		}
		env, ok := tryPack(latin1(c.Raw), newFacts(rules(t, o), tcp, local))
		switch c.Name {
		case "invalid/019", "invalid/040":
			if ok {
				t.Errorf("%s: accepted", c.Name)
			}
			continue
		}
		if !c.Valid || !ok {
			continue
		}
		want := map[string]string{}
		for _, h := range c.Requests[0].Headers {
			key := "HTTP_" + strings.ReplaceAll(h[0], "-", "_")
			if h[0] == "CONTENT-TYPE" || h[0] == "CONTENT-LENGTH" {
				key = key[len("HTTP_"):]
			}
			if v, twice := want[key]; twice {
				want[key] = v + "," + latin1(h[1])
			} else {
				want[key] = latin1(h[1])
			}
		}
		for key, v := range want {
			if env[key] != v {
				t.Errorf("%s: %s = %q, want %q", c.Name, key, env[key], v)
			}
		}
		for key := range env {
			if _, ok := want[key]; !ok && (strings.HasPrefix(key, "HTTP_") || strings.HasPrefix(key, "CONTENT_")) {
				t.Errorf("%s: %s = %q, want none", c.Name, key, env[key])
			}
		}
		if env["RAW_URI"] != latin1(c.Requests[0].URI) || env["REQUEST_METHOD"] != c.Requests[0].Method {
			t.Errorf("%s: %s %s", c.Name, env["REQUEST_METHOD"], env["RAW_URI"])
		}
	}
}

// FuzzEnviron checks that no header reaches a key that is not its own.
func FuzzEnviron(f *testing.F) {
	for _, c := range gunicornCases(f) {
		f.Add(latin1(c.Raw), false)
	}
	f.Add(get("SCRIPT_NAME: /app\r\nREMOTE_ADDR: x\r\nServer-Name: y\r\n"), true)
	o := with(func(o *Options) { o.HeaderMap = "dangerous" })
	dangerous := rules(f, o)
	f.Fuzz(func(t *testing.T, raw string, trusted bool) {
		peer := stranger
		if trusted {
			peer = local
		}
		env, ok := tryPack(raw, newFacts(dangerous, tcp, peer))
		if !ok {
			return
		}
		for key, want := range map[string]string{"REMOTE_ADDR": peer.Addr().String(), "REMOTE_PORT": "5000", "SERVER_NAME": "0.0.0.0", "SERVER_PORT": "8000"} {
			if env[key] != want {
				t.Fatalf("%q: %s = %q", raw, key, env[key])
			}
		}
		for key := range env {
			if strings.HasSuffix(key, " TWICE") || key == "HTTP_PROXY" {
				t.Fatalf("%q: %s", raw, key)
			}
		}
	})
}

func TestPackDoesNotAllocate(t *testing.T) {
	var r http1.Request
	var p Packed
	for _, raw := range []string{browser, get("SCRIPT_NAME: /app\r\nA: 1\r\nA: 2\r\nCookie: a\r\nCookie: b\r\n"), "GET http://ex.org/%20 HTTP/1.1\r\n\r\n"} {
		for _, l := range []*Listener{tcp, unix} {
			buf := []byte(raw)
			f := newFacts(rules(t, gunicornDefaults()), l, local)
			if err := lenient.Parse(buf, &r); err != nil {
				t.Fatal(err)
			}
			if n := testing.AllocsPerRun(100, func() { _ = p.Pack(buf, &r, &f) }); n != 0 {
				t.Errorf("%q: %v allocations", raw, n)
			}
		}
	}
}

const browser = "GET /accounts/profile/settings?tab=security&next=%2Fhome HTTP/1.1\r\n" +
	"Host: www.example.org\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Referer: https://www.example.org/accounts/profile/\r\n" +
	"Connection: keep-alive\r\n" +
	"Cookie: csrftoken=0123456789abcdefghijABCDEFGHIJ01; sessionid=abcdefghijklmnopqrstuvwxyz012345\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"Sec-Fetch-Dest: document\r\n" +
	"Sec-Fetch-Mode: navigate\r\n" +
	"Sec-Fetch-Site: same-origin\r\n" +
	"Priority: u=0, i\r\n" +
	"X-Forwarded-For: 192.0.2.7\r\n\r\n"

func benchmarkPack(b *testing.B, raw string) {
	buf := []byte(raw)
	var r http1.Request
	if err := lenient.Parse(buf, &r); err != nil {
		b.Fatal(err)
	}
	f := newFacts(rules(b, gunicornDefaults()), tcp, local)
	var p Packed
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Pack(buf, &r, &f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPackHello(b *testing.B)   { benchmarkPack(b, get("User-Agent: wrk\r\nAccept: */*\r\n")) }
func BenchmarkPackBrowser(b *testing.B) { benchmarkPack(b, browser) }
