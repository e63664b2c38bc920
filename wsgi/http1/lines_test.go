package http1

import (
	"reflect"
	"strings"
	"testing"
)

// markOf is a mark that tells names apart.
func markOf(name []byte) uint32 { return uint32(len(name))<<8 | uint32(name[0]) }

// sameByLines parses head with and without the table and compares all that a caller can see, at once and in two
// pieces.
func sameByLines(t *testing.T, p *Policy, lines *Lines, head string) (known int) {
	t.Helper()
	for _, cut := range []int{len(head), len(head) / 2, max(0, len(head)-3)} {
		fresh, with := Request{}, Request{Lines: lines}
		a, b := []byte(head), []byte(head)
		_ = p.Parse(a[:cut], &fresh)
		wantErr := p.Parse(a, &fresh)
		_ = p.Parse(b[:cut], &with)
		gotErr := p.Parse(b, &with)
		if gotErr != wantErr {
			t.Fatalf("%q: with lines %v, without %v", head, gotErr, wantErr)
		}
		if wantErr != nil {
			continue
		}
		want, got := visible(fresh), visible(with)
		got.Lines = nil
		for i := range got.Headers {
			h := &got.Headers[i]
			if h.Line != 0 {
				known++
			}
			if h.Mark != 0 && (h.Mark != markOf(h.Name.Of(b)) || concernOf(h.Name.Of(b)) != unconcerned) {
				t.Fatalf("%q: mark %#x for %q", head, h.Mark, h.Name.Of(b))
			}
			h.Mark, h.Line = 0, 0
		}
		if !reflect.DeepEqual(want, got) || string(a) != string(b) {
			t.Fatalf("%q:\nwithout %+v\nwith    %+v", head, want, got)
		}
	}
	return known
}

func TestKnownLinesGiveTheSameRequest(t *testing.T) {
	all := corpus(t)
	known := 0
	lines := NewLines(markOf)
	for _, c := range all {
		for range 3 { // the second time a line is remembered, the third time it is known
			p := c.policy
			known += sameByLines(t, &p, lines, c.raw)
			sameByLines(t, &p, lines, strings.Replace(c.raw, "\r\n", "\r\nX-Before: one more line\r\n", 1))
		}
	}
	for _, c := range all { // lines of other heads and policies
		p := c.policy
		known += sameByLines(t, &p, lines, c.raw)
	}
	if known == 0 {
		t.Error("no line was ever recognised")
	}
}

func TestKnownLinesHeedTheLimits(t *testing.T) {
	lines := NewLines(markOf)
	line := "X-Long: " + strings.Repeat("x", 100) + "\r\n"
	roomy, head := Policy{}, "GET / HTTP/1.1\r\nHost: example.test\r\n"+line+line+line+"\r\n"
	for range 3 {
		sameByLines(t, &roomy, lines, head)
	}
	for n := range 200 {
		for _, p := range []Policy{{FieldSize: n}, {HeadSize: n + 250}, {Fields: n % 5}} {
			sameByLines(t, &p, lines, head)
		}
	}
}

func TestALineOfTheSamePlaceReplacesOnlyWhenItRepeats(t *testing.T) {
	p, lines := Policy{}, NewLines(markOf)
	ask := func(cookie string) (line uint16) {
		r := Request{Lines: lines}
		if err := p.Parse([]byte("GET / HTTP/1.1\r\nHost: a\r\nCookie: sessionid="+cookie+"\r\n\r\n"), &r); err != nil {
			t.Fatal(err)
		}
		return r.Headers[1].Line
	}
	ask("first-of-all")
	ask("first-of-all")
	for _, other := range []string{"second-one-of-it", "third-one-of-all", "fourth-one-of-it"} {
		if ask("first-of-all") == 0 || ask(other) != 0 {
			t.Error("a line that came once has taken the place")
		}
	}
	ask("fifth-one-of-all")
	ask("fifth-one-of-all")
	if ask("fifth-one-of-all") == 0 || ask("first-of-all") != 0 {
		t.Error("a line that came twice has not taken the place")
	}
}

func FuzzLines(f *testing.F) {
	f.Add("GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n", "GET / HTTP/1.1\r\nAccept: text/html\r\nHost: a\r\n\r\n")
	f.Add("GET / HTTP/1.1\r\nConnection:  close \t\r\n\r\n", "GET / HTTP/1.1\r\nConnection: close\r\n folded\r\n\r\n")
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, p := range []Policy{{PermitMissingHost: true}, {PermitObsoleteFolding: true, StripHeaderSpaces: true, FieldSize: 40}} {
			lines := NewLines(func([]byte) uint32 { return 0 })
			for _, head := range []string{first, first, second, first, second, second} {
				sameByLines(t, &p, lines, head)
			}
		}
	})
}
