package http1

import (
	"strings"
	"testing"
)

func TestLimits(t *testing.T) {
	line := func(n int) string { return "GET /" + strings.Repeat("a", n-len("GET / HTTP/1.1")) + " HTTP/1.1" }
	field := func(n int) string { return "A: " + strings.Repeat("b", n-len("A: \r\n")) }
	t.Run("request line", func(t *testing.T) {
		checkRules(t, &Policy{RequestLine: 40}, []rule{
			{"just fits", head(line(40), "Host: a"), 0},
			{"too long by one", head(line(41), "Host: a"), 414},
			{"never ends", "GET /" + strings.Repeat("a", 60), 414},
			{"invalid byte beyond the limit", "GET /" + strings.Repeat("a", 60) + "\x00", 414},
			{"empty lines do not count", "\r\n" + head(line(40), "Host: a"), 0},
		})
	})
	t.Run("default request line", func(t *testing.T) {
		checkRules(t, &gunicorn, []rule{
			{"4094 bytes", head(line(4094), "Host: a"), 0},
			{"4095 bytes", head(line(4095), "Host: a"), 414},
		})
	})
	t.Run("field size", func(t *testing.T) {
		checkRules(t, &Policy{FieldSize: 30}, []rule{
			{"just fits", get(field(30)), 0},
			{"too large by one", get(field(31)), 431},
			{"name too large", get(strings.Repeat("A", 40) + ": b"), 431},
			{"blanks count", get("A: " + strings.Repeat(" ", 40)), 431},
			{"never ends", "GET / HTTP/1.1\r\nA: " + strings.Repeat("b", 40), 431},
		})
		checkRules(t, &Policy{FieldSize: 14, PermitObsoleteFolding: true, PermitMissingHost: true}, []rule{
			{"all lines of a folded field count", head("GET / HTTP/1.1", "Accept:", " */*"), 431},
		})
		checkRules(t, &Policy{FieldSize: 15, PermitObsoleteFolding: true, PermitMissingHost: true}, []rule{
			{"folded field just fits", head("GET / HTTP/1.1", "Accept:", " */*"), 0},
		})
	})
	t.Run("number of fields", func(t *testing.T) {
		checkRules(t, &Policy{Fields: 2}, []rule{
			{"just fits", get("A: b"), 0},
			{"one too many", get("A: b", "C: d"), 431},
		})
	})
	t.Run("whole head", func(t *testing.T) {
		fits := get("A: b", "C: d")
		checkRules(t, &Policy{HeadSize: len(fits)}, []rule{{"just fits", fits, 0}})
		checkRules(t, &Policy{HeadSize: len(fits) - 1}, []rule{{"too large by one", fits, 431}})
		checkRules(t, &Policy{HeadSize: 40}, []rule{{"request line alone", head(line(41), "Host: a"), 414}})
		checkRules(t, &Policy{}, []rule{{"64 KiB unless said otherwise", get(field(64 << 10)), 431}})
	})
}

func TestSwitches(t *testing.T) {
	t.Run("permit_unconventional_http_method", func(t *testing.T) {
		checkRules(t, &Policy{PermitMethod: true}, []rule{
			{"lower case", head("-blargh / HTTP/1.1", "Host: a"), 0},
			{"one letter", head("# / HTTP/1.1", "Host: a"), 0},
			{"30 letters", head(strings.Repeat("M", 30)+" / HTTP/1.1", "Host: a"), 0},
			{"not a token", head("G(T / HTTP/1.1", "Host: a"), 400},
			{"empty", head(" / HTTP/1.1", "Host: a"), 400},
		})
	})
	t.Run("casefold_http_method", func(t *testing.T) {
		got := everyWay(t, &Policy{PermitMethod: true, CasefoldMethod: true}, head("-blargh / HTTP/1.1", "Host: a"))
		if len(got.requests) != 1 || got.requests[0].method != "-BLARGH" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("permit_unconventional_http_version", func(t *testing.T) {
		checkRules(t, &Policy{PermitVersion: true}, []rule{
			{"HTTP/2.0", head("GET / HTTP/2.0", "Host: a"), 0},
			{"HTTP/0.9 with the rules of 1.0", head("GET / HTTP/0.9"), 0},
			{"letters", head("GET / HTTP/a.b", "Host: a"), 400},
		})
	})
	t.Run("strip_header_spaces", func(t *testing.T) {
		checkRules(t, &Policy{StripHeaderSpaces: true}, []rule{
			{"blanks before the colon", head("POST / HTTP/1.1", "Host \t: a", "Content-Length : 5") + "hello", 0},
			{"blanks within a name", get("A b: c"), 400},
			{"blanks alone", get(" : c"), 400},
			{"no colon", get("A "), 400},
		})
		got := everyWay(t, &Policy{StripHeaderSpaces: true}, get("A \t: b"))
		if got.requests[0].headers[1] != [2]string{"A", "b"} {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("permit_missing_host", func(t *testing.T) {
		checkRules(t, &Policy{PermitMissingHost: true}, []rule{
			{"absent", head("GET / HTTP/1.1"), 0},
			{"empty", head("GET / HTTP/1.1", "Host:"), 0},
			{"bad", head("GET / HTTP/1.1", "Host: a b"), 400},
			{"repeated", head("GET / HTTP/1.1", "Host:", "Host:"), 400},
		})
	})
	t.Run("permit fragment", func(t *testing.T) {
		var r Request
		buf := []byte(head("GET /a?b#c?d HTTP/1.1", "Host: a"))
		if err := (&Policy{PermitFragment: true}).Parse(buf, &r); err != nil {
			t.Fatal(err)
		}
		if path, query := string(r.Path.Of(buf)), string(r.Query.Of(buf)); path != "/a" || query != "b" {
			t.Errorf("got path %q query %q", path, query)
		}
	})
}

func TestObsoleteFolding(t *testing.T) {
	p := &Policy{PermitObsoleteFolding: true}
	for _, c := range []struct{ fields, value string }{
		{"A: one\r\n two", "one two"},
		{"A: one \t\r\n \t two  \r\n\tthree", "one two three"},
		{"A:\r\n two", "two"},
		{"A: one\r\n ", "one"},
		{"A: one\r\n \r\n two", "one two"},
	} {
		raw := get(c.fields, "B: next")
		got := everyWay(t, p, raw)
		if got.err != nil || len(got.requests) != 1 {
			t.Errorf("%q: got %+v", raw, got)
			continue
		}
		if h := got.requests[0].headers; h[1][1] != c.value || h[2] != [2]string{"B", "next"} {
			t.Errorf("%q: got %q, want %q", raw, h, c.value)
		}
		buf := []byte(raw)
		var first, second Request
		if p.Parse(buf, &first) != nil || p.Parse(buf, &second) != nil || string(second.Headers[1].Value.Of(buf)) != c.value {
			t.Errorf("%q: the unfolded buffer reads differently: %q", raw, buf)
		}
	}
	checkRules(t, p, []rule{
		{"folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
		{"control byte in a continuation", get("A: b", " \x01"), 400},
		{"folded Transfer-Encoding still counts", head("POST / HTTP/1.1", "Host: a", "Content-Length: 1", "Transfer-Encoding:", " chunked") + "x", 400},
	})
}

func TestPersistence(t *testing.T) {
	for _, c := range []struct {
		name, raw string
		keep      bool
	}{
		{"HTTP/1.1", get(), true},
		{"HTTP/1.1 close", get("Connection: close"), false},
		{"close in a list", get("Connection: close, TE"), false},
		{"close last in a list", get("Connection: TE ,\tClose"), false},
		{"close on the second line", get("Connection: TE", "Connection: close"), false},
		{"close and keep-alive", get("Connection: keep-alive, close"), false},
		{"a token that begins like close", get("Connection: closed"), true},
		{"HTTP/1.0", head("GET / HTTP/1.0", "Host: a"), false},
		{"HTTP/1.0 keep-alive", head("GET / HTTP/1.0", "Connection: Keep-Alive"), true},
		{"HTTP/1.0 keep-alive and close", head("GET / HTTP/1.0", "Connection: keep-alive, close"), false},
		{"undecoded coding", head("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: gzip, chunked"), false},
	} {
		var r Request
		if err := gunicorn.Parse([]byte(c.raw), &r); err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if r.KeepAlive != c.keep {
			t.Errorf("%s: KeepAlive = %v", c.name, r.KeepAlive)
		}
	}
}

func TestExpectContinueOnlyFromModernClients(t *testing.T) {
	var r Request
	if err := gunicorn.Parse([]byte(get("Expect: 100-CONTINUE")), &r); err != nil || !r.ExpectContinue {
		t.Errorf("HTTP/1.1: %v, %v", r.ExpectContinue, err)
	}
	if err := gunicorn.Parse([]byte(head("GET / HTTP/1.0", "Expect: 100-continue")), &r); err != nil || r.ExpectContinue {
		t.Errorf("HTTP/1.0: %v, %v", r.ExpectContinue, err)
	}
}

func TestAbsoluteTargetParts(t *testing.T) {
	var r Request
	buf := []byte(head("GET http://ex.org:81/a/b?c=d HTTP/1.1", "Host: other"))
	if err := gunicorn.Parse(buf, &r); err != nil {
		t.Fatal(err)
	}
	got := [4]string{string(r.Authority.Of(buf)), string(r.Path.Of(buf)), string(r.Query.Of(buf)), string(r.Host.Of(buf))}
	if got != [4]string{"ex.org:81", "/a/b", "c=d", "other"} || r.Form != Absolute {
		t.Errorf("got %q, form %d", got, r.Form)
	}
}

func TestNothingAfterCloseIsRead(t *testing.T) {
	got := everyWay(t, &gunicorn, get("Connection: close")+get())
	if len(got.requests) != 1 || !got.closed {
		t.Errorf("got %+v", got)
	}
}
