package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// agree fails if net/http refuses, or reads differently, what Parse has accepted. Where it has no opinion, or
// one that is Gunicorn's switch, it is not asked.
func agree(t *testing.T, raw []byte) {
	t.Helper()
	buf := bytes.Clone(raw)
	var r Request
	if gunicorn.Parse(buf, &r) != nil {
		return
	}
	target := string(r.Target.Of(buf))
	if _, err := url.ParseRequestURI(target); err != nil && r.Form != Asterisk {
		return // bad percent-encoding, which Gunicorn passes on
	}
	for _, h := range r.Headers {
		if EqualFold(h.Name.Of(buf), "transfer-encoding") && !EqualFold(h.Value.Of(buf), "chunked") {
			return // net/http knows chunked alone
		}
	}
	in := bufio.NewReader(bytes.NewReader(raw))
	for range r.blankLines(raw) {
		_, _ = in.Discard(2)
	}
	req, err := http.ReadRequest(in)
	if err != nil {
		t.Fatalf("%q: net/http refuses it: %v", raw, err)
	}
	if req.Method != string(r.Method.Of(buf)) || req.RequestURI != target || req.Proto != string(r.Proto.Of(buf)) {
		t.Fatalf("%q: net/http reads %s %s %s", raw, req.Method, req.RequestURI, req.Proto)
	}
	if host := effectiveHost(buf, &r); req.Host != host {
		t.Fatalf("%q: net/http reads host %q, not %q", raw, req.Host, host)
	}
	agreeOnBody(t, raw, &r, req)
}

func (r *Request) blankLines(raw []byte) (n int) {
	for bytes.HasPrefix(raw[2*n:], []byte("\r\n")) {
		n++
	}
	return n
}

func effectiveHost(buf []byte, r *Request) string {
	if r.Form == Absolute {
		return string(r.Authority.Of(buf))
	}
	return string(r.Host.Of(buf))
}

// unknownToNetHTTP is what RFC 9112 section 7.1 has in a chunk's first line and net/http has not: white space
// before an extension, and more than sixteen digits.
var unknownToNetHTTP = regexp.MustCompile(`[ \t];|[0-9A-Fa-f]{17}`)

func agreeOnBody(t *testing.T, raw []byte, r *Request, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	rest := raw[r.HeadLen:]
	if !r.Chunked {
		if want := max(r.ContentLength, 0); int64(len(rest)) >= want && (err != nil || int64(len(body)) != want) {
			t.Fatalf("%q: net/http reads a body of %d, not %d: %v", raw, len(body), want, err)
		}
		return
	}
	if unknownToNetHTTP.Match(rest) {
		return
	}
	var c ChunkReader
	c.Reset(&gunicorn)
	if mine, _, done, _ := drain(&c, rest); done && (err != nil || !bytes.Equal(mine, body)) {
		t.Fatalf("%q: net/http reads body %q, not %q: %v", raw, body, mine, err)
	}
}

func TestAgreesWithNetHTTP(t *testing.T) {
	for _, c := range corpus(t) {
		agree(t, []byte(c.raw))
	}
	for _, raw := range []string{
		get(), chunkedHead + "5;a=\"b\"\r\nhello\r\n0\r\nA: b\r\n\r\n", head("GET http://ex.org:80/a?b HTTP/1.1", "Host: other"),
		head("POST / HTTP/1.1", "Host: a", "Content-Length: 5") + "hello" + get(), "\r\n" + get(), get("A: " + strings.Repeat("b", 8000)),
	} {
		agree(t, []byte(raw))
	}
}
