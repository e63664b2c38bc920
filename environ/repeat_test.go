package environ

import (
	"reflect"
	"testing"

	"gosrv/wsgi/http1"
)

var repeatBlocks = []string{
	"Host: a\r\n\r\n",
	"Host: a:8000\r\nAccept: */*\r\nX-A: 1\r\nx-a: 2\r\nCookie: a=b\r\nCookie: c=d\r\n\r\n",
	"Host: a\r\nX-Forwarded-Proto: https\r\nContent-Length: 0\r\nContent-Type: t/p\r\n\r\n",
	"Host: a\r\nUnder_Score: dropped\r\nProxy: dropped\r\n\r\n",
	"Host: a\r\nSCRIPT_NAME: /app\r\n\r\n",
}

// Each block is packed once with each line and each peer, then again as a repetition with all the others.
func TestRepeatedBlockGivesTheSameEnviron(t *testing.T) {
	rs := rules(t, gunicornDefaults())
	all := []Facts{newFacts(rs, tcp, stranger), newFacts(rs, tcp, local), newFacts(rs, unix, stranger)}
	lines := []string{"GET / HTTP/1.1\r\n", "POST /app/b%20c?d=e HTTP/1.1\r\n", "\r\nGET /app HTTP/1.1\r\n"}
	for _, block := range repeatBlocks {
		for _, first := range lines {
			for i := range all {
				var head http1.Repeat
				var m Repeat
				r, p := parsed(t, first+block), Packed{}
				if p.Pack([]byte(first+block), r, &all[i]) != nil || !m.Store(&p, r, &all[i]) {
					continue
				}
				head.Store([]byte(first+block), r)
				for _, second := range lines {
					for k := range all {
						compareRepeat(t, second+block, &head, &m, &all[k], i == k)
					}
				}
			}
		}
	}
}

func parsed(t *testing.T, text string) *http1.Request {
	t.Helper()
	r := &http1.Request{}
	if err := lenient.Parse([]byte(text), r); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return r
}

func compareRepeat(t *testing.T, text string, head *http1.Repeat, m *Repeat, f *Facts, fits bool) {
	t.Helper()
	buf := []byte(text)
	r, fresh, again := &http1.Request{}, Packed{}, Packed{}
	if repeated, err := lenient.ParseRepeat(buf, r, head); err != nil || !repeated {
		t.Fatalf("%q: not recognised: %v", text, err)
	}
	if m.Fits(f) != fits {
		t.Fatalf("%q: Fits = %v for other facts than those stored", text, !fits)
	}
	if !fits {
		return
	}
	wantErr, gotErr := fresh.Pack(buf, r, f), again.PackRepeat(buf, r, f, m)
	if wantErr != gotErr {
		t.Fatalf("%q: PackRepeat says %v, Pack %v", text, gotErr, wantErr)
	}
	if wantErr != nil {
		return
	}
	want, got := environment(&fresh, buf, f), environment(&again, buf, f)
	if !reflect.DeepEqual(want, got) || fresh.HTTPS != again.HTTPS {
		t.Errorf("%q:\nPack       %v\nPackRepeat %v", text, want, got)
	}
}

func TestPackRepeatAllocatesNothing(t *testing.T) {
	f := newFacts(rules(t, gunicornDefaults()), tcp, local)
	buf := []byte("GET /a HTTP/1.1\r\n" + repeatBlocks[1])
	r, p, m := parsed(t, string(buf)), Packed{}, Repeat{}
	if err := p.Pack(buf, r, &f); err != nil {
		t.Fatal(err)
	}
	m.Store(&p, r, &f)
	if n := testing.AllocsPerRun(100, func() { p.PackRepeat(buf, r, &f, &m) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
