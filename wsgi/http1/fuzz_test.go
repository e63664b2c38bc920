package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// seeds adds the raw requests of all conformance sets.
func seeds(f *testing.F, add func(raw []byte)) {
	for _, c := range corpus(f) {
		if len(c.raw) < 4096 {
			add([]byte(c.raw))
		}
	}
	add([]byte(browser))
}

// FuzzRequestHead: what is accepted lies within the input, and net/http accepts it and reads the same.
func FuzzRequestHead(f *testing.F) {
	seeds(f, func(raw []byte) { f.Add(raw) })
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r Request
		buf := bytes.Clone(raw)
		if gunicorn.Parse(buf, &r) != nil {
			return
		}
		if r.HeadLen > len(raw) || !bytes.HasSuffix(raw[:r.HeadLen], []byte("\r\n\r\n")) {
			t.Fatalf("%q: head of %d", raw, r.HeadLen)
		}
		for _, h := range r.Headers {
			if !ValidName(h.Name.Of(buf)) || !ValidValue(h.Value.Of(buf)) {
				t.Fatalf("%q: %q: %q", raw, h.Name.Of(buf), h.Value.Of(buf))
			}
		}
		agree(t, raw)
	})
}

// policyBits makes a policy of fuzzed switches, with limits small enough to be hit.
func policyBits(bits uint8) *Policy {
	p := &Policy{
		StripHeaderSpaces: bits&1 != 0, PermitObsoleteFolding: bits&2 != 0, PermitMethod: bits&4 != 0, CasefoldMethod: bits&8 != 0,
		PermitVersion: bits&16 != 0, PermitMissingHost: bits&32 != 0, PermitFragment: bits&64 != 0,
	}
	if bits&128 != 0 {
		p.RequestLine, p.Fields, p.FieldSize, p.HeadSize = 40, 4, 40, 200
	}
	return p
}

// FuzzRequestSplit: the outcome does not depend on how the input arrives.
func FuzzRequestSplit(f *testing.F) {
	seeds(f, func(raw []byte) { f.Add(raw, uint16(len(raw)/2), uint8(0)) })
	for bits := range 256 {
		f.Add([]byte("post /a#b HTTP/1.1\r\nA : b\r\n c\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\nx\r\n0\r\n\r\n"), uint16(20), uint8(bits))
	}
	f.Fuzz(func(t *testing.T, raw []byte, cut uint16, bits uint8) {
		p := policyBits(bits)
		whole := feed(p, raw)
		at := min(int(cut), len(raw))
		same(t, "split", string(raw), whole, feed(p, raw[:at], raw[at:]))
		if len(raw) > 600 {
			return
		}
		bytewise := make([][]byte, len(raw))
		for i := range raw {
			bytewise[i] = raw[i : i+1]
		}
		same(t, "byte by byte", string(raw), whole, feed(p, bytewise...))
	})
}

// FuzzPipeline: whatever follows complete requests, they are read alike, and after a refusal nothing is.
func FuzzPipeline(f *testing.F) {
	seeds(f, func(raw []byte) { f.Add(raw, uint8(3)) })
	first := []byte(chunkedHead + "5\r\nhello\r\n0\r\n\r\n" + head("POST /2 HTTP/1.1", "Host: a", "Content-Length: 3") + "abc")
	f.Fuzz(func(t *testing.T, junk []byte, n uint8) {
		input := append(bytes.Repeat(first, int(n%4)), junk...)
		got := feed(&gunicorn, input)
		if len(got.requests) < 2*int(n%4) {
			t.Fatalf("%q: read only %d requests", input, len(got.requests))
		}
		for i := range 2 * int(n%4) {
			if want := []string{"hello", "abc"}[i%2]; got.requests[i].body != want {
				t.Fatalf("%q: body %d is %q", input, i, got.requests[i].body)
			}
		}
		if got.err != nil || got.closed {
			after := feed(&gunicorn, append(input, "\r\n\r\n"+get()...))
			if len(after.requests) != len(got.requests) {
				t.Fatalf("%q: requests are read after the end", input)
			}
		}
	})
}

// FuzzChunked: a body decodes alike however it is cut, and as net/http decodes it.
func FuzzChunked(f *testing.F) {
	seeds(f, func(raw []byte) {
		if _, body, ok := bytes.Cut(raw, []byte("\r\n\r\n")); ok {
			f.Add(body, uint16(3))
		}
	})
	f.Add([]byte("5;a=\"\\\"\" ; b\r\nhello\r\n0\r\nA: b\r\n\r\n"), uint16(9))
	f.Fuzz(func(t *testing.T, raw []byte, cut uint16) {
		var c ChunkReader
		c.Reset(&gunicorn)
		body, n, done, err := drain(&c, raw)
		if n > len(raw) || len(body) > n {
			t.Fatalf("%q: consumed %d for %d", raw, n, len(body))
		}
		c.Reset(&gunicorn)
		at := min(int(cut), len(raw))
		first, used, done2, err2 := drain(&c, raw[:at])
		if err2 == nil && !done2 {
			var second []byte
			var more int
			second, more, done2, err2 = drain(&c, raw[at:])
			first, used = append(first, second...), used+more
		}
		if done != done2 || err != err2 || !bytes.Equal(body, first) || err == nil && n != used {
			t.Fatalf("%q split at %d: %q %d %v %v, whole %q %d %v %v", raw, at, first, used, done2, err2, body, n, done, err)
		}
		if done {
			agree(t, append([]byte(chunkedHead), raw...))
		}
	})
}

// FuzzResponseHead: whatever an application gives, what passes the checks is one response with that status,
// these headers and this body to net/http.
func FuzzResponseHead(f *testing.F) {
	f.Add([]byte("200 OK"), []byte("X-A"), []byte("b"), []byte("hello"))
	f.Add([]byte("404"), []byte("Set-Cookie"), []byte("a=\xe9\tb"), []byte(""))
	f.Add([]byte("200 OK\r\nX: y"), []byte("A\r\nB"), []byte("c\r\n\r\nd"), []byte("0"))
	f.Fuzz(func(t *testing.T, status, name, value, body []byte) {
		code, ok := ParseStatus(status)
		if !ok || !ValidName(name) || !ValidValue(value) || HopByHop(name) || EqualFold(name, "content-length") || !BodyAllowed(code) {
			return
		}
		raw := AppendStatusLine(nil, 1, status)
		raw = AppendField(raw, name, value)
		raw = append(AppendField(raw, "Transfer-Encoding", "chunked"), "\r\n"...)
		if len(body) > 0 {
			raw = append(append(AppendChunkHeader(raw, len(body)), body...), ChunkEnd...)
		}
		raw = append(raw, LastChunk...)
		in := bufio.NewReader(bytes.NewReader(raw))
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Equal(got, body) || resp.StatusCode != code || in.Buffered() != 0 {
			t.Fatalf("%q: %v %d %q", raw, err, resp.StatusCode, got)
		}
		if want := strings.Trim(string(value), " \t"); len(resp.Header) != 1 || resp.Header.Get(string(name)) != want {
			t.Fatalf("%q: headers %q", raw, resp.Header)
		}
	})
}
