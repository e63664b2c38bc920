package http1

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gosrv/wsgi/http1/proxyproto"
)

// caseOf is one request of a conformance set, decoded.
type caseOf struct {
	name     string
	raw      string
	policy   Policy
	proxy    bool
	reject   bool      // must not be answered 2xx
	either   bool      // both are right
	requests []message // what is to be read, where the set says it
	log      string    // llhttp's events
}

func load[T any](tb testing.TB, file string) []T {
	tb.Helper()
	b, err := os.ReadFile("../../tests/http/" + file)
	if err != nil {
		tb.Fatal(err)
	}
	var out []T
	if err := json.Unmarshal(b, &out); err != nil {
		tb.Fatal(err)
	}
	return out
}

// latin1 turns text into the bytes it stands for.
func latin1(s string) string {
	b := make([]byte, 0, len(s))
	for _, c := range s {
		b = append(b, byte(c))
	}
	return string(b)
}

type gunicornRequest struct {
	Method, URI string
	Version     [2]int
	Headers     [][2]string
	Body        string
}

type gunicornCase struct {
	Name     string
	Valid    bool
	Settings map[string]any
	Raw      string
	Requests []gunicornRequest
}

func gunicornCases(tb testing.TB) (out []caseOf) {
	for _, c := range load[gunicornCase](tb, "gunicorn_requests.json") {
		x := caseOf{name: c.Name, raw: latin1(c.Raw), policy: policyOf(c.Settings), proxy: c.Settings["proxy_protocol"] != nil, reject: !c.Valid}
		for _, r := range c.Requests {
			m := message{method: r.Method, target: latin1(r.URI), body: latin1(r.Body)}
			m.version = "HTTP/" + strconv.Itoa(r.Version[0]) + "." + strconv.Itoa(r.Version[1])
			for _, h := range r.Headers {
				m.headers = append(m.headers, [2]string{latin1(h[0]), latin1(h[1])})
			}
			x.requests = append(x.requests, m)
		}
		out = append(out, x)
	}
	return out
}

// policyOf is Gunicorn's behaviour with the settings of a case.
func policyOf(settings map[string]any) Policy {
	p := gunicorn
	p.PermitMissingHost, p.PermitFragment = true, true
	for name, v := range settings {
		n, _ := v.(float64)
		switch name {
		case "limit_request_line":
			p.RequestLine = int(n)
		case "limit_request_fields":
			p.Fields = int(n)
		case "limit_request_field_size":
			p.FieldSize = int(n)
		case "strip_header_spaces":
			p.StripHeaderSpaces = v == true
		case "permit_obsolete_folding":
			p.PermitObsoleteFolding = v == true
		case "permit_unconventional_http_method":
			p.PermitMethod = v == true
		case "permit_unconventional_http_version":
			p.PermitVersion = v == true
		case "casefold_http_method":
			p.CasefoldMethod = v == true
		}
	}
	return p
}

// lost are the raw bytes that the set shows as question marks.
var lost = map[string]string{
	"MAL-NON-ASCII-URL":     "GET /caf\xc3\xa9 HTTP/1.1\r\nHost: localhost:8080\r\n\r\n",
	"MAL-URL-OVERLONG-UTF8": "GET /\xc0\xaf HTTP/1.1\r\nHost: localhost:8080\r\n\r\n",
}

type probeCase struct{ ID, Expected, RawRequest string }

func probeCases(tb testing.TB) (out []caseOf) {
	for _, c := range load[probeCase](tb, "http11probe.json") {
		accept := regexp.MustCompile(`2xx|200|!101`).MatchString(c.Expected)
		refuse := regexp.MustCompile(`4\d\d|505|close\b.*timeout`).MatchString(c.Expected)
		x := caseOf{name: c.ID, raw: latin1(c.RawRequest), policy: gunicorn, reject: !accept, either: accept && refuse}
		if raw, ok := lost[c.ID]; ok {
			x.raw = raw
		}
		if n := len(x.raw); n == 8192 { // cut there by the set; 100 KB by its description
			x.raw += strings.Repeat(x.raw[n-1:], 100<<10) + "\r\n\r\n"
		}
		out = append(out, x)
	}
	return out
}

type llhttpCase struct {
	File, Title, HTTP, Log string
	Meta                   map[string]any
}

func llhttpCases(tb testing.TB) (out []caseOf) {
	p := gunicorn
	p.PermitMissingHost, p.PermitFragment = true, true
	for _, c := range load[llhttpCase](tb, "llhttp_requests.json") {
		if kind, _ := c.Meta["type"].(string); strings.Contains(kind, "lenient") {
			continue
		}
		// Codes 22 and 23 are pauses: llhttp hands the connection over there.
		reject := strings.Contains(c.Log, "error code=") && !strings.Contains(c.Log, "error code=22") && !strings.Contains(c.Log, "error code=23")
		out = append(out, caseOf{name: c.File + " " + c.Title, raw: llhttpDecode(c.HTTP), policy: p, reject: reject, log: c.Log})
	}
	return out
}

var escape = regexp.MustCompile(`\\(r|n|t|f|x[0-9a-fA-F]{2})`)

func llhttpDecode(s string) string {
	s = strings.ReplaceAll(s, "\\\n", "")
	s = strings.ReplaceAll(s, "\n", "\r\n")
	return escape.ReplaceAllStringFunc(s, func(e string) string {
		if e[1] == 'x' {
			n, _ := strconv.ParseUint(e[2:], 16, 8)
			return string([]byte{byte(n)})
		}
		return map[byte]string{'r': "\r", 'n': "\n", 't': "\t", 'f': "\f"}[e[1]]
	})
}

// stricter are the cases that a set accepts and we refuse on purpose.
var stricter = map[string]string{
	"valid/009":                              "Transfer-Encoding: identity with Content-Length; Gunicorn 27 refuses it too",
	"valid/027":                              "8-bit target; Gunicorn 27 refuses it too",
	"valid/rfc9112_target_authority_ipv6_01": "CONNECT to an origin server",
	"method.md CONNECT request with CAPS":    "CONNECT to an origin server",
	"method.md PRI request HTTP2":            "the HTTP/2 preface is no request",
	"method.md SOURCE request with ICE":      "only HTTP is spoken",
	"method.md ANNOUNCE request with RTSP":   "only HTTP is spoken",
	"sample.md No HTTP version":              "HTTP/0.9",
}

// looser are the cases that a set refuses and we accept on purpose.
var looser = map[string]string{
	"invalid.md HTTP protocol and ANNOUNCE method": "unknown methods are the application's business",
	"invalid.md Invalid method":                    "unknown methods are the application's business",
	"invalid/019":                                  "refused by environ: scheme headers",
	"invalid/040":                                  "refused by environ: header_map",
	// llhttp reports data after Connection: close; here it is never looked at.
	"connection.md No restart when keep-alive is off (1.0)": "what follows is ignored",
	"connection.md CRLF between requests, explicit `close`": "what follows is ignored",
}

func corpus(tb testing.TB) []caseOf {
	return slices.Concat(gunicornCases(tb), probeCases(tb), llhttpCases(tb))
}

func TestCorpora(t *testing.T) {
	for _, c := range corpus(t) {
		t.Run(c.name, func(t *testing.T) {
			raw := c.raw
			if c.proxy {
				_, n, err := proxyproto.Parse(proxyproto.Auto, []byte(raw))
				if refused := err != nil; refused || c.reject {
					if !refused || !c.reject {
						t.Fatalf("PROXY header: %v, reject = %v", err, c.reject)
					}
					return
				}
				raw = raw[n:]
			}
			got := everyWay(t, &c.policy, raw)
			reject := c.reject || stricter[c.name] != ""
			if looser[c.name] != "" {
				reject = false
			}
			served := len(got.requests)
			if served > 0 && got.unfinished {
				served--
			}
			if !c.either && (reject && served > 0 || !reject && served == 0 && got.err != nil) {
				t.Fatalf("%q: got %+v, reject = %v", raw, got, reject)
			}
			if !reject {
				compare(t, c, got)
				follow(t, &c.policy, raw, got)
			} else if got.err != nil {
				silent(t, &c.policy, raw)
			}
		})
	}
}

// compare checks what a set says of the requests.
func compare(t *testing.T, c caseOf, got exchange) {
	for i, want := range c.requests {
		if i >= len(got.requests) {
			t.Errorf("got %d requests, want %d", len(got.requests), len(c.requests))
			return
		}
		m := got.requests[i]
		if got.unfinished { // valid/099: the body is shorter than its Content-Length, so it is not delivered
			want.body = ""
		}
		var headers [][2]string
		for _, h := range m.headers {
			if !strings.Contains(h[0], "_") || slices.ContainsFunc(want.headers, func(w [2]string) bool { return w[0] == strings.ToUpper(h[0]) }) {
				headers = append(headers, [2]string{strings.ToUpper(h[0]), h[1]})
			}
		}
		if m.method != want.method || m.target != want.target || m.version != want.version || m.body != want.body || !slices.Equal(headers, want.headers) {
			t.Errorf("request %d: got %+v, want %+v", i, m, want)
		}
	}
}

// follow appends a request and then junk: the first changes nothing before it, the second nothing at all.
func follow(t *testing.T, p *Policy, raw string, alone exchange) {
	if alone.unfinished || alone.closed || alone.err != nil {
		return
	}
	n := len(alone.requests)
	next := feed(p, []byte(raw+"GET /follower HTTP/1.1\r\nHost: f\r\n\r\n"))
	if len(next.requests) != n+1 || next.requests[n].target != "/follower" {
		t.Errorf("%q: the follower was not read: %+v", raw, next)
	}
	junk := feed(p, []byte(raw+"\x00junk\r\n\r\n"))
	if len(junk.requests) != n || junk.err == nil {
		t.Errorf("%q: junk: %+v", raw, junk)
	}
}

// silent checks that after a refusal nothing is read as a request, wherever it stands.
func silent(t *testing.T, p *Policy, raw string) {
	got := feed(p, []byte(raw+"\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: f\r\n\r\n"))
	for _, m := range got.requests {
		if m.target == "/smuggled" {
			t.Errorf("%q: read a request after a refusal: %+v", raw, got)
		}
	}
}

// With the switches for Gunicorn's leniency off, only its two rules refuse more.
func TestStrictPolicyRefusesOnlyMissingHostAndFragments(t *testing.T) {
	for _, c := range gunicornCases(t) {
		if c.reject || c.proxy {
			continue
		}
		strict := c.policy
		strict.PermitMissingHost, strict.PermitFragment = false, false
		got, lenient := feed(&strict, []byte(c.raw)), feed(&c.policy, []byte(c.raw))
		if got.err != lenient.err && got.err != errHostMissing && got.err != errFragment {
			t.Errorf("%s: %v", c.name, got.err)
		}
	}
}
