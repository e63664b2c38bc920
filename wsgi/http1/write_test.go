package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestErrorResponses(t *testing.T) {
	date := AppendDate(nil, time.Date(2026, 11, 21, 15, 43, 0, 0, time.FixedZone("", 3600)))
	for _, status := range []int{400, 403, 408, 411, 413, 414, 417, 431, 500, 501, 503, 505} {
		raw := AppendError(nil, status, date)
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
		if err != nil {
			t.Fatalf("%d: %v", status, err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || !resp.Close || int64(len(body)) != resp.ContentLength || resp.StatusCode != status {
			t.Errorf("%d: got %q", status, raw)
		}
		if got, want := resp.Header.Get("Date"), "Sat, 21 Nov 2026 14:43:00 GMT"; got != want {
			t.Errorf("%d: Date %q, want %q", status, got, want)
		}
		if !strings.Contains(string(body), ReasonPhrase(status)) || resp.Status[4:] != ReasonPhrase(status) {
			t.Errorf("%d: status %q, page %q", status, resp.Status, body)
		}
	}
}

func TestEveryRefusalHasItsPhrase(t *testing.T) {
	for _, e := range []*Error{errMethodLong, errVersionMajor, errLineTooLong, errTooMany, errExpectation, errTargetChar} {
		if ReasonPhrase(e.Status) == "Unknown" || details[e.Status] == "" {
			t.Errorf("%d %s: no phrase or no page", e.Status, e.Reason)
		}
	}
	if got := ReasonPhrase(999); got != "Unknown" {
		t.Errorf("999: %q", got)
	}
}

func TestWriteResponse(t *testing.T) {
	b := AppendStatusLine(nil, 1, []byte("299"))
	b = AppendField(b, "X-A", []byte("b"))
	b = AppendField(b, []byte("X-B"), "c")
	b = AppendContentLength(b, 12)
	b = AppendChunkHeader(b, 4096)
	if want := "HTTP/1.1 299 \r\nX-A: b\r\nX-B: c\r\nContent-Length: 12\r\n1000\r\n"; string(b) != want {
		t.Errorf("got %q, want %q", b, want)
	}
	if got := string(AppendStatusLine(nil, 0, []byte("200 Fine"))); got != "HTTP/1.0 200 Fine\r\n" {
		t.Errorf("got %q", got)
	}
}

func TestParseStatus(t *testing.T) {
	for s, want := range map[string]int{
		"200 OK": 200, "299": 299, "204 ": 204, "404 Not \xe9": 404, "999 X": 999, "100 Continue": 100, "418 a\tb": 418,
		"": 0, "20": 0, "OK": 0, "200OK": 0, "2000": 0, "099 X": 0, "+20 X": 0, " 200 X": 0, "200 a\r\nX: y": 0, "200 a\n": 0, "200 \x00": 0, "None": 0,
	} {
		if code, ok := ParseStatus([]byte(s)); ok != (want != 0) || ok && code != want {
			t.Errorf("%q: got %d %v, want %d", s, code, ok, want)
		}
	}
}

func TestResponseHeaderChecks(t *testing.T) {
	for s, want := range map[string]bool{"X-A": true, "": false, "X A": false, "X:": false, "X\r\n": false, "\xe9": false, "X_~!": true} {
		if got := ValidName([]byte(s)); got != want {
			t.Errorf("name %q: got %v", s, got)
		}
	}
	for s, want := range map[string]bool{
		"": true, "a b\tc": true, "\x80\xff": true, "a\r\nX: y": false, "a\nb": false, "a\x00": false, "\x7f": false, "12345678\x1f": false,
	} {
		if got := ValidValue([]byte(s)); got != want {
			t.Errorf("value %q: got %v", s, got)
		}
	}
	for s, want := range map[string]bool{
		"Connection": true, "KEEP-ALIVE": true, "te": true, "Trailers": true, "Transfer-Encoding": true, "Upgrade": true, "Proxy-Authenticate": true,
		"Proxy-Authorization": true, "Proxy-Connection": true, "Content-Length": false, "Date": false, "Server": false, "Set-Cookie": false, "": false,
	} {
		if got := HopByHop([]byte(s)); got != want {
			t.Errorf("hop-by-hop %q: got %v", s, got)
		}
	}
	for status, want := range map[int]bool{101: false, 200: true, 204: false, 304: false, 404: true} {
		if got := BodyAllowed(status); got != want {
			t.Errorf("body of %d: got %v", status, got)
		}
	}
	for s, want := range map[string]int64{"0": 0, "9223372036854775807": 1<<63 - 1, "9223372036854775808": -1, "-1": -1, "": -1, " 1": -1, "1e3": -1} {
		if n, ok := ParseLength([]byte(s)); ok != (want >= 0) || ok && n != want {
			t.Errorf("length %q: got %d %v", s, n, ok)
		}
	}
}
