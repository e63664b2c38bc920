package http1

import "testing"

const hello = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: wrk/4.2.0\r\nAccept: */*\r\n\r\n"

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

func benchmarkParse(b *testing.B, raw string) {
	buf := []byte(raw)
	var r Request
	b.ReportAllocs()
	for b.Loop() {
		if err := gunicorn.Parse(buf, &r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseHello(b *testing.B)   { benchmarkParse(b, hello) }
func BenchmarkParseBrowser(b *testing.B) { benchmarkParse(b, browser) }

func BenchmarkChunks(b *testing.B) {
	var body []byte
	for range 16 {
		body = append(AppendChunkHeader(body, 4096), make([]byte, 4096)...)
		body = append(body, ChunkEnd...)
	}
	body = append(body, LastChunk...)
	var c ChunkReader
	b.SetBytes(16 * 4096)
	for b.Loop() {
		c.Reset(&gunicorn)
		for at, state := 0, Data; state == Data; {
			_, n, s, err := c.Next(body[at:])
			if err != nil {
				b.Fatal(err)
			}
			at, state = at+n, s
		}
	}
}

func TestNoAllocation(t *testing.T) {
	var r Request
	var c ChunkReader
	out := make([]byte, 0, 4096)
	whole := []byte(browser)
	for name, f := range map[string]func(){
		"complete": func() { _ = gunicorn.Parse(whole, &r) },
		"partial": func() {
			r.Reset()
			_ = gunicorn.Parse(whole[:100], &r)
			_ = gunicorn.Parse(whole[:500], &r)
			_ = gunicorn.Parse(whole, &r)
		},
		"refused": func() { _ = gunicorn.Parse([]byte("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), &r) },
		"chunked": func() {
			c.Reset(&gunicorn)
			_, n, _, _ := c.Next([]byte("5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n"))
			_, _, _, _ = c.Next([]byte("5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n")[n:])
		},
		"chunked and refused": func() {
			c.Reset(&gunicorn)
			_, _, _, _ = c.Next([]byte("x\r\n"))
		},
		"response": func() { out = AppendContentLength(AppendField(AppendStatus(out[:0], 1, 200), "A", "b"), 5) },
		"error":    func() { out = AppendError(out[:0], 431, nil) },
	} {
		f()
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// An address in text is copied for net/netip.
func TestOnlyALiteralInHostIsCopied(t *testing.T) {
	var r Request
	literal := func() { _ = gunicorn.Parse([]byte("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n"), &r) }
	literal()
	if n := testing.AllocsPerRun(100, literal); n != 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}
