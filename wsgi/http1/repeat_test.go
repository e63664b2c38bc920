package http1

import (
	"reflect"
	"strings"
	"testing"
)

// sameOutcome parses head afresh and with m, and compares all that a caller can see.
func sameOutcome(t *testing.T, p *Policy, m *Repeat, head string) (repeated bool) {
	t.Helper()
	fresh, with := Request{}, Request{}
	wantErr := p.Parse([]byte(head), &fresh)
	repeated, gotErr := p.ParseRepeat([]byte(head), &with, m)
	if gotErr != wantErr {
		t.Fatalf("%q: ParseRepeat says %v, Parse %v", head, gotErr, wantErr)
	}
	if wantErr != nil {
		return repeated
	}
	a, b := visible(fresh), visible(with)
	if !reflect.DeepEqual(a, b) {
		t.Fatalf("%q:\nParse       %+v\nParseRepeat %+v", head, a, b)
	}
	return repeated
}

// visible is r without the places where the scan stopped.
func visible(r Request) Request {
	r.stage, r.blank, r.folding, r.pos, r.mark, r.line = 0, 0, false, 0, 0, 0
	r.Headers = append([]Header{}, r.Headers...)
	return r
}

func TestRepeatedBlockGivesTheSameRequest(t *testing.T) {
	for _, c := range corpus(t) {
		var r Request
		buf := []byte(c.raw)
		if c.policy.Parse(buf, &r) != nil {
			continue
		}
		var m Repeat
		stored := m.Store(buf, &r)
		if stored != (r.Form == Origin) {
			t.Fatalf("%s: Store = %v for form %d", c.name, stored, r.Form)
		}
		block := string(r.Block(buf))
		p := c.policy
		if repeated := sameOutcome(t, &p, &m, string(buf)); stored && !repeated {
			t.Errorf("%s: the same head is not recognised", c.name)
		}
		for _, line := range []string{
			"GET / HTTP/1.1\r\n", "POST /other/path?a=b HTTP/1.1\r\n", "GET / HTTP/1.0\r\n", "\r\nGET /x HTTP/1.1\r\n",
			"GET http://a.example/ HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r\n", "BAD\r\n", "GET / HTTP/1.1\n",
		} {
			sameOutcome(t, &p, &m, line+block)
			sameOutcome(t, &p, &m, line+block+"GET / HTTP/1.1\r\n\r\n")
			for cut := range len(block) {
				sameOutcome(t, &p, &m, line+block[:cut])
				sameOutcome(t, &p, &m, line+block[:cut]+"x"+block[cut+1:])
			}
		}
	}
}

func TestRepeatHeedsTheSizeOfTheWholeHead(t *testing.T) {
	p := Policy{HeadSize: 80}
	head := "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	var r Request
	if err := p.Parse([]byte(head), &r); err != nil {
		t.Fatal(err)
	}
	var m Repeat
	m.Store([]byte(head), &r)
	sameOutcome(t, &p, &m, "GET /"+strings.Repeat("x", 60)+" HTTP/1.1\r\nHost: a\r\n\r\n")
}

func TestRepeatAllocatesNothing(t *testing.T) {
	p, head := Policy{}, []byte("GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n")
	r, m := Request{Headers: make([]Header, 0, 8)}, Repeat{}
	if err := p.Parse(head, &r); err != nil {
		t.Fatal(err)
	}
	m.Store(head, &r)
	if n := testing.AllocsPerRun(100, func() {
		if repeated, err := p.ParseRepeat(head, &r, &m); !repeated || err != nil {
			t.Fatal(repeated, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzRepeat(f *testing.F) {
	f.Add("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST /b HTTP/1.1\r\nHost: a\r\n\r\n")
	f.Add("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n")
	f.Fuzz(func(t *testing.T, first, second string) {
		p := Policy{PermitMissingHost: true}
		var r Request
		if p.Parse([]byte(first), &r) != nil {
			return
		}
		var m Repeat
		if !m.Store([]byte(first), &r) {
			return
		}
		sameOutcome(t, &p, &m, second)
		if line, _, ok := strings.Cut(second, "\r\n"); ok {
			sameOutcome(t, &p, &m, line+"\r\n"+string(r.Block([]byte(first))))
		}
	})
}

func BenchmarkParseRepeat(b *testing.B) {
	p, head := Policy{}, []byte("GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: a\r\nAccept: */*\r\n\r\n")
	r, m := Request{Headers: make([]Header, 0, 8)}, Repeat{}
	if err := p.Parse(head, &r); err != nil {
		b.Fatal(err)
	}
	m.Store(head, &r)
	for b.Loop() {
		if repeated, _ := p.ParseRepeat(head, &r, &m); !repeated {
			b.Fatal("not recognised")
		}
	}
}
