package http1

import (
	"slices"
	"strings"
	"testing"
)

// chunkedHead begins a request with a chunked body.
const chunkedHead = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

func TestChunkedBodies(t *testing.T) {
	for _, c := range []struct{ name, raw, body string }{
		{"one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello"},
		{"two chunks", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"},
		{"empty", "0\r\n\r\n", ""},
		{"hex in both cases", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"},
		{"leading zeros", "00000000000000000005\r\nhello\r\n000\r\n\r\n", "hello"},
		{"data that looks like framing", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n"},
		{"extensions", "5;a\r\nhello\r\n0; b = c ;d=\"e\\\"\xff;\t\"\r\n\r\n", "hello"},
		{"blanks before the semicolon", "5 \t;a\r\nhello\r\n0\r\n\r\n", "hello"},
		{"trailers are dropped", "5\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Type:\r\n\r\n", "hello"},
		{"a name longer than any forbidden one", "0\r\n" + strings.Repeat("Content-Length", 9) + ": 1\r\n\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := everyWay(t, &gunicorn, chunkedHead+c.raw)
			if got.err != nil || got.unfinished || len(got.requests) != 1 || got.requests[0].body != c.body {
				t.Errorf("%q: got %+v, want %q", c.raw, got, c.body)
			}
		})
	}
}

func TestRulesOfChunks(t *testing.T) {
	rules := slices.Clone(chunkRules)
	for i := range rules {
		rules[i].raw = chunkedHead + rules[i].raw
	}
	checkRules(t, &gunicorn, rules)
}

// chunkRules are bodies that follow chunkedHead.
var chunkRules = []rule{
	{"size missing", "\r\nhello\r\n0\r\n\r\n", 400},
	{"size with 0x", "0x5\r\nhello\r\n0\r\n\r\n", 400},
	{"size with plus", "+5\r\nhello\r\n0\r\n\r\n", 400},
	{"size with minus", "-5\r\nhello\r\n0\r\n\r\n", 400},
	{"size with underscore", "0_5\r\nhello\r\n0\r\n\r\n", 400},
	{"size after a space", " 5\r\nhello\r\n0\r\n\r\n", 400},
	{"size before a space", "5 \r\nhello\r\n0\r\n\r\n", 400},
	{"blank within the size", "1 0\r\n0123456789abcdef\r\n0\r\n\r\n", 400},
	{"size 2^63", "8000000000000000\r\n", 400},
	{"size 2^64", "10000000000000000\r\n", 400},
	{"size 2^68", "FFFFFFFFFFFFFFFF0\r\nhello\r\n0\r\n\r\n", 400},
	{"size ended by LF", "5\nhello\r\n0\r\n\r\n", 400},
	{"size ended by CR", "5\rhello\r\n0\r\n\r\n", 400},
	{"data not followed by CRLF", "5\r\nhello0\r\n\r\n", 400},
	{"data followed by LF", "5\r\nhello\n0\r\n\r\n", 400},
	{"data followed by CR and another byte", "5\r\nhello\rX0\r\n\r\n", 400},
	{"data longer than its size", "5\r\nhello!\r\n0\r\n\r\n", 400},
	{"extension without a name", "5;\r\nhello\r\n0\r\n\r\n", 400},
	{"extension without a size", ";a=b\r\nhello\r\n0\r\n\r\n", 400},
	{"extension with two semicolons", "5;;a\r\nhello\r\n0\r\n\r\n", 400},
	{"extension without a value", "5;a=\r\nhello\r\n0\r\n\r\n", 400},
	{"extension with two values", "5;a=b c\r\nhello\r\n0\r\n\r\n", 400},
	{"extension ended by a blank", "5;a \r\nhello\r\n0\r\n\r\n", 400},
	{"extension with LF", "5;\nhello\r\n0\r\n\r\n", 400},
	{"extension with bare CR", "5;a\rb\r\nhello\r\n0\r\n\r\n", 400},
	{"extension with NUL", "5;\x00a\r\nhello\r\n0\r\n\r\n", 400},
	{"quoted extension with CR", "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n", 400},
	{"quoted extension with an escaped LF", "5;a=\"\\\n\"\r\nhello\r\n0\r\n\r\n", 400},
	{"text after a quoted extension", "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", 400},
	{"extension of 17 KB", "5;" + strings.Repeat("a", 17<<10) + "\r\nhello\r\n0\r\n\r\n", 400},
	{"many extensions of 9 KB in all are too much with others", strings.Repeat("1;"+strings.Repeat("a", 9<<10)+"\r\nx\r\n", 2), 400},
	{"zeros without end", strings.Repeat("0", 17<<10), 400},
	{"no last CRLF but a field", "0\r\nGET / HTTP/1.1\r\n\r\n", 400},
	{"last CRLF with LF", "0\r\n\n", 400},
	{"last CRLF with CR and another byte", "0\r\n\rX", 400},
	{"trailer Transfer-Encoding", "0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	{"trailer Content-Length", "0\r\ncontent-length: 5\r\n\r\n", 400},
	{"trailer Host", "0\r\nHOST: a\r\n\r\n", 400},
	{"trailer Trailer", "0\r\nTrailer: a\r\n\r\n", 400},
	{"trailer TE", "0\r\nTE: trailers\r\n\r\n", 400},
	{"trailer Authorization", "0\r\nAuthorization: a\r\n\r\n", 400},
	{"trailer Proxy-Authorization", "0\r\nProxy-Authorization: a\r\n\r\n", 400},
	{"trailer name not a token", "0\r\nA B: c\r\n\r\n", 400},
	{"trailer with a space before the colon", "0\r\nA : c\r\n\r\n", 400},
	{"trailer without a name", "0\r\n: c\r\n\r\n", 400},
	{"trailer without a colon", "0\r\nA\r\n\r\n", 400},
	{"trailer with a control byte", "0\r\nA: \x00\r\n\r\n", 400},
	{"trailer ended by LF", "0\r\nA: b\n\r\n", 400},
	{"trailer ended by CR", "0\r\nA: b\rC: d\r\n\r\n", 400},
	{"trailer folded", "0\r\nA: b\r\n c\r\n\r\n", 400},
	{"trailer too large", "0\r\nA: " + strings.Repeat("b", 9000) + "\r\n\r\n", 431},
	{"trailers too many", "0\r\n" + strings.Repeat("A: b\r\n", 101) + "\r\n", 431},
	{"trailers too large together", "0\r\n" + strings.Repeat("A: "+strings.Repeat("b", 8000)+"\r\n", 9) + "\r\n", 431},
}

func TestChunkedBodyCutShortIsNotComplete(t *testing.T) {
	const raw = "5;a=\"b\"\r\nhello\r\n0\r\nA: b\r\n\r\n"
	for i := range len(raw) {
		if got := feed(&gunicorn, []byte(chunkedHead+raw[:i])); !got.unfinished || got.err != nil {
			t.Errorf("%q: got %+v", raw[:i], got)
		}
	}
}

func TestManySmallChunksAreNoExcess(t *testing.T) {
	got := feed(&gunicorn, []byte(chunkedHead+strings.Repeat("1\r\nx\r\n", 50_000)+"0\r\n\r\n"))
	if len(got.requests) != 1 || len(got.requests[0].body) != 50_000 {
		t.Errorf("got %d requests, error %v", len(got.requests), got.err)
	}
}

func TestPipelinedRequestFollowsAChunkedBody(t *testing.T) {
	got := everyWay(t, &gunicorn, chunkedHead+"5\r\nhello\r\n0\r\nA: b\r\n\r\n"+get("X-Second: 1"))
	if len(got.requests) != 2 || got.requests[1].headers[1][0] != "X-Second" {
		t.Errorf("got %+v", got)
	}
}
