package http1

import (
	"strings"
	"testing"
)

// head is a request line and field lines with CRLFs and the empty line put in.
func head(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

// get is a GET with Host and the given field lines.
func get(fields ...string) string {
	return head(append([]string{"GET / HTTP/1.1", "Host: ex.org"}, fields...)...)
}

// rule is one row, or a part of one, of the table of server-side rules. status 0 = accepted.
type rule struct {
	name   string
	raw    string
	status int
}

func checkRules(t *testing.T, p *Policy, rules []rule) {
	for _, c := range rules {
		t.Run(c.name, func(t *testing.T) {
			got := everyWay(t, p, c.raw)
			switch {
			case c.status == 0 && (got.err != nil || got.unfinished || len(got.requests) != 1):
				t.Errorf("%q: got %+v, want it accepted", c.raw, got)
			case c.status != 0 && (got.err == nil || got.err.Status != c.status || len(got.requests) != 0):
				t.Errorf("%q: got %+v, want status %d", c.raw, got, c.status)
			}
		})
	}
}

func TestRulesOfTheRequestLine(t *testing.T) {
	checkRules(t, &gunicorn, []rule{
		{"CR without LF in the request line", "GET / HTTP/1.1\rHost: a\r\n\r\n", 400},
		{"CR in the target", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"bare LF ends the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
		{"one empty line before", "\r\n" + get(), 0},
		{"three empty lines before", "\r\n\r\n\r\n" + get(), 400},
		{"bare LF before", "\n" + get(), 400},
		{"TLS hello on a plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},
		{"version in lower case", head("GET / http/1.1", "Host: a"), 400},
		{"version with two digits", head("GET / HTTP/01.1", "Host: a"), 400},
		{"version with a long minor", head("GET / HTTP/1.11", "Host: a"), 400},
		{"version without a dot", head("GET / HTTP/111", "Host: a"), 400},
		{"space after the version", head("GET / HTTP/1.1 ", "Host: a"), 400},
		{"another protocol", head("SOURCE / ICE/1.0", "Host: a"), 400},
		{"HTTP/2.0", head("GET / HTTP/2.0", "Host: a"), 505},
		{"HTTP/3.0", head("GET / HTTP/3.0", "Host: a"), 505},
		{"HTTP/0.9 by name", head("GET / HTTP/0.9", "Host: a"), 505},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
		{"HTTP/1.2 is HTTP/1.1", head("GET / HTTP/1.2", "Host: a"), 0},
		{"HTTP/0.9 simple request", "GET /\r\n", 400},
		{"two spaces before the target", head("GET  / HTTP/1.1", "Host: a"), 400},
		{"two spaces before the version", head("GET /  HTTP/1.1", "Host: a"), 400},
		{"space in the target", head("GET /a b HTTP/1.1", "Host: a"), 400},
		{"tab for a space", head("GET\t/ HTTP/1.1", "Host: a"), 400},
		{"space before the method", " " + get(), 400},
		{"no target", head("GET HTTP/1.1", "Host: a"), 400},
		{"method with a control byte", head("GE\x00T / HTTP/1.1", "Host: a"), 400},
		{"method with a colon", head("GET: / HTTP/1.1", "Host: a"), 400},
		{"method in lower case", head("get / HTTP/1.1", "Host: a"), 400},
		{"method with a hash", head("G#T / HTTP/1.1", "Host: a"), 400},
		{"method of two letters", head("GE / HTTP/1.1", "Host: a"), 400},
		{"method of 20 letters", head(strings.Repeat("M", 20)+" / HTTP/1.1", "Host: a"), 0},
		{"method of 21 letters", head(strings.Repeat("M", 21)+" / HTTP/1.1", "Host: a"), 501},
		{"method that never ends", strings.Repeat("A", 5000), 501},
		{"unknown method goes to the application", head("FROBNICATE / HTTP/1.1", "Host: a"), 0},
		{"TRACE goes to the application", head("TRACE / HTTP/1.1", "Host: a"), 0},
	})
}

func TestRulesOfTheTarget(t *testing.T) {
	checkRules(t, &gunicorn, []rule{
		{"asterisk with OPTIONS", head("OPTIONS * HTTP/1.1", "Host: a"), 0},
		{"asterisk with GET", head("GET * HTTP/1.1", "Host: a"), 400},
		{"authority-form is for CONNECT", head("GET ex.org:80 HTTP/1.1", "Host: a"), 400},
		{"CONNECT to an origin server", head("CONNECT ex.org:443 HTTP/1.1", "Host: ex.org:443"), 501},
		{"CONNECT with IPv6", head("CONNECT [::1]:443 HTTP/1.1", "Host: [::1]:443"), 501},
		{"CONNECT without a port", head("CONNECT ex.org HTTP/1.1", "Host: a"), 400},
		{"CONNECT with a path", head("CONNECT / HTTP/1.1", "Host: a"), 400},
		{"relative target", head("GET index.html HTTP/1.1", "Host: a"), 400},
		{"absolute-form", head("GET http://ex.org/a?b HTTP/1.1", "Host: other"), 0},
		{"absolute-form without a path", head("GET HTTP://ex.org HTTP/1.1", "Host: a"), 0},
		{"absolute-form with query only", head("GET http://ex.org?a HTTP/1.1", "Host: a"), 0},
		{"absolute-form with https and IPv6", head("GET https://[2001:db8::1]:8443/ HTTP/1.1", "Host: a"), 0},
		{"absolute-form without Host", head("GET http://ex.org/ HTTP/1.1"), 400},
		{"absolute-form with userinfo", head("GET http://u:p@ex.org/ HTTP/1.1", "Host: a"), 400},
		{"absolute-form without authority", head("GET http:///a HTTP/1.1", "Host: a"), 400},
		{"absolute-form with a bad port", head("GET http://ex.org:99999/ HTTP/1.1", "Host: a"), 400},
		{"absolute-form with another scheme", head("GET ftp://ex.org/ HTTP/1.1", "Host: a"), 400},
		{"absolute-form with one slash", head("GET http:/ex.org/ HTTP/1.1", "Host: a"), 400},
		{"fragment", head("GET /a#b HTTP/1.1", "Host: a"), 400},
		{"NUL in the target", head("GET /\x00 HTTP/1.1", "Host: a"), 400},
		{"DEL in the target", head("GET /\x7f HTTP/1.1", "Host: a"), 400},
		{"UTF-8 in the target", head("GET /caf\xc3\xa9 HTTP/1.1", "Host: a"), 400},
		{"overlong UTF-8 in the target", head("GET /12345678\xc0\xaf HTTP/1.1", "Host: a"), 400},
		{"quotes and backslash stay", head(`GET /"a"\b|{}^ HTTP/1.1`, "Host: a"), 0},
		{"bad percent-encoding stays", head("GET /%zz% HTTP/1.1", "Host: a"), 0},
	})
}

func TestRulesOfHost(t *testing.T) {
	host := func(value string) string { return head("GET / HTTP/1.1", "Host:"+value) }
	checkRules(t, &gunicorn, []rule{
		{"absent in HTTP/1.1", head("GET / HTTP/1.1"), 400},
		{"absent in HTTP/1.0", head("GET / HTTP/1.0"), 0},
		{"repeated", head("GET / HTTP/1.1", "Host: a", "Host: b"), 400},
		{"repeated and equal", head("GET / HTTP/1.1", "Host: a", "host: a"), 400},
		{"empty", host(""), 400},
		{"empty in HTTP/1.0", head("GET / HTTP/1.0", "Host: "), 400},
		{"name", host(" my_host.example"), 0},
		{"name with sub-delims", host(" 0.0.0.0=5000"), 0},
		{"percent-encoded", host(" a%2Fb"), 0},
		{"bad percent-encoding", host(" a%2"), 400},
		{"port", host(" a:65535"), 0},
		{"empty port", host(" a:"), 0},
		{"port too large", host(" a:65536"), 400},
		{"port of many digits", host(" a:000080"), 400},
		{"port not a number", host(" a:http"), 400},
		{"two ports", host(" a:80:80"), 400},
		{"port alone", host(" :80"), 400},
		{"userinfo", host(" u@a"), 400},
		{"path", host(" a/b"), 400},
		{"comma list", host(" a,b"), 400},
		{"space", host(" a b"), 400},
		{"not ASCII", host(" caf\xe9"), 400},
		{"no-break space around", host(" \xa0a\xa0"), 400},
		{"IPv6", host(" [::1]"), 0},
		{"IPv6 with port", host(" [2001:DB8:0:0:0:0:0:1]:80"), 0},
		{"IPv6 with IPv4", host(" [::ffff:1.2.3.4]"), 0},
		{"IPvFuture", host(" [v1.a:b]"), 0},
		{"IPv6 without brackets", host(" ::1"), 400},
		{"IPv6 with zone", host(" [fe80::1%25eth0]"), 400},
		{"IPv6 unclosed", host(" [::1"), 400},
		{"IPv6 with junk", host(" [::1]a"), 400},
		{"IPv6 too short", host(" [1:2:3]"), 400},
		{"IPv6 too long", host(" [1:2:3:4:5:6:7:8:9]"), 400},
		{"IPv6 with two gaps", host(" [1::2::3]"), 400},
		{"IPv6 empty", host(" []"), 400},
	})
}

func TestRulesOfHeaderFields(t *testing.T) {
	checkRules(t, &gunicorn, []rule{
		{"whitespace before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
		{"whitespace line before the first field", "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", 400},
		{"space before the colon", get("A : b"), 400},
		{"tab before the colon", get("A\t: b"), 400},
		{"name not a token", get("A[: b"), 400},
		{"name not ASCII", get("A\xc3\x9f: b"), 400},
		{"NUL in the name", get("A\x00: b"), 400},
		{"all token characters", get("!#$%&'*+-.^_`|~09azAZ: b"), 0},
		{"empty name", get(": b"), 400},
		{"no colon", get("A"), 400},
		{"no colon in the last line", "GET / HTTP/1.1\r\nHost: a\r\nbaz\r\n\r\n", 400},
		{"NUL in the value", get("A: 12345678\x00"), 400},
		{"bell in the value", get("A: a\x07b"), 400},
		{"DEL in the value", get("A: a\x7fb"), 400},
		{"CR in the value", get("A: a\rb"), 400},
		{"bare LF ends a field", get("A: b\nC: d"), 400},
		{"bare LF ends the head", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
		{"obs-text in the value", get("A: \x80\xff12345678\xa0"), 0},
		{"tab in the value", get("A: a\tb\t\t12345678\tc"), 0},
		{"empty value", get("A:"), 0},
		{"obsolete folding", get("A: b", " c"), 400},
		{"obsolete folding with a tab", get("A: b", "\tc"), 400},
		{"Content-Type repeated", get("Content-Type: a", "content-type: a"), 400},
		{"100 fields", get(strings.Split(strings.Repeat("A: b\n", 99), "\n")[:99]...), 0},
		{"101 fields", get(strings.Split(strings.Repeat("A: b\n", 100), "\n")[:100]...), 431},
	})
}

func TestRulesOfFraming(t *testing.T) {
	post := func(fields ...string) string {
		return head(append([]string{"POST / HTTP/1.1", "Host: a"}, fields...)...)
	}
	const chunked = "5\r\nhello\r\n0\r\n\r\n"
	checkRules(t, &gunicorn, []rule{
		{"Transfer-Encoding and Content-Length", post("Content-Length: 6", "Transfer-Encoding: chunked") + chunked, 400},
		{"the same the other way round", post("Transfer-Encoding: chunked", "Content-Length: 6") + chunked, 400},
		{"Transfer-Encoding in HTTP/1.0", head("POST / HTTP/1.0", "Transfer-Encoding: chunked") + chunked, 400},
		{"chunked", post("Transfer-Encoding: Chunked") + chunked, 0},
		{"chunked after a registered coding", post("Transfer-Encoding: gzip, chunked") + chunked, 0},
		{"codings on two lines are one list", post("Transfer-Encoding: deflate", "Transfer-Encoding: chunked") + chunked, 0},
		{"chunked not last", post("Transfer-Encoding: chunked, gzip") + chunked, 400},
		{"chunked not last, on two lines", post("Transfer-Encoding: chunked", "Transfer-Encoding: identity") + chunked, 400},
		{"no chunked", post("Transfer-Encoding: gzip"), 400},
		{"chunked twice", post("Transfer-Encoding: chunked, chunked") + chunked, 400},
		{"chunked twice, on two lines", post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + chunked, 400},
		{"chunked with parameters", post("Transfer-Encoding: chunked;a=b") + chunked, 400},
		{"unknown coding", post("Transfer-Encoding: xchunked") + chunked, 501},
		{"unknown coding before chunked", post("Transfer-Encoding: frob, chunked") + chunked, 501},
		{"identity", post("Transfer-Encoding: identity"), 400},
		{"identity and Content-Length", post("Transfer-Encoding: identity", "Content-Length: 5") + "hello", 400},
		{"empty Transfer-Encoding", post("Transfer-Encoding:"), 400},
		{"empty element first", post("Transfer-Encoding: ,chunked") + chunked, 400},
		{"empty element last", post("Transfer-Encoding: chunked,") + chunked, 400},
		{"quoted chunked", post("Transfer-Encoding: \"chunked\"") + chunked, 400},
		{"vertical tab before chunked", post("Transfer-Encoding: \x0bchunked") + chunked, 400},
		{"no-break space around chunked", post("Transfer-Encoding: \xa0chunked\xa0") + chunked, 400},
		{"blanks around chunked", post("Transfer-Encoding: \t chunked \t") + chunked, 0},
		{"Content-Length", post("Content-Length: 5") + "hello", 0},
		{"Content-Length with zeros", post("Content-Length: 0005") + "hello", 0},
		{"Content-Length +5", post("Content-Length: +5") + "hello", 400},
		{"Content-Length -0", post("Content-Length: -0"), 400},
		{"Content-Length 0x5", post("Content-Length: 0x5") + "hello", 400},
		{"Content-Length 5_0", post("Content-Length: 5_0") + "hello", 400},
		{"Content-Length 5 5", post("Content-Length: 5 5") + "hello", 400},
		{"Content-Length empty", post("Content-Length: "), 400},
		{"Content-Length 2^63", post("Content-Length: 9223372036854775808"), 400},
		{"Content-Length 2^64+5", post("Content-Length: 18446744073709551621"), 400},
		{"Content-Length with other digits", post("Content-Length: \xb2"), 400},
		{"Content-Length repeated", post("Content-Length: 5", "Content-Length: 6") + "hello!", 400},
		{"Content-Length repeated and equal", post("Content-Length: 5", "Content-Length: 5") + "hello", 400},
		{"Content-Length list", post("Content-Length: 5, 5") + "hello", 400},
		{"neither: no body", post(), 0},
	})
}

func TestRulesOfExpect(t *testing.T) {
	checkRules(t, &gunicorn, []rule{
		{"100-continue", get("Expect: 100-Continue"), 0},
		{"unknown", get("Expect: 200-ok"), 417},
		{"with something before", get("Expect: y 100-continue"), 417},
		{"empty", get("Expect:"), 417},
		{"unknown in HTTP/1.0 is ignored", head("GET / HTTP/1.0", "Expect: 200-ok"), 0},
		{"Upgrade is ignored", get("Connection: Upgrade", "Upgrade: websocket"), 0},
	})
}
