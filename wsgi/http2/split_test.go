package http2

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"
)

// TestWhatArrivesInPiecesIsTheSame feeds a session cut at every place.
func TestWhatArrivesInPiecesIsTheSame(t *testing.T) {
	script := func(p *peer) {
		p.headers(1, true, get("/a", "cookie", "x=1")...)
		p.headers(3, false, post()...)
		_ = p.w.WritePing(false, [8]byte{1})
		_ = p.w.WriteData(3, false, []byte("part"))
		_ = p.w.WriteDataPadded(3, true, []byte("end"), make([]byte, 3))
		b := p.block(get("/long", "x", strings.Repeat("y", 100))...)
		_ = p.w.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 5, BlockFragment: b[:10], EndStream: true})
		_ = p.w.WriteContinuation(5, true, b[10:])
	}
	whole := newPeer(t, usual)
	script(whole)
	stream := bytes.Clone(whole.to.Bytes())
	outcome := func(p *peer) (all []string) {
		for _, st := range p.news() {
			all = append(all, text(st))
		}
		return append(all, p.frames()...)
	}
	whole.feed()
	want := outcome(whole)
	for cut := 1; cut < len(stream); cut++ {
		p := newPeer(t, usual)
		used := p.s.Feed(stream[:cut], 0)
		if used += p.s.Feed(stream[used:], 0); used != len(stream) {
			t.Fatalf("cut at %d: %d bytes taken", cut, used)
		}
		if got := outcome(p); !slices.Equal(got, want) {
			t.Fatalf("cut at %d:\n%q\nnot\n%q", cut, got, want)
		}
	}
}

func FuzzSession(f *testing.F) {
	p := newPeer(f, usual)
	p.headers(1, true, get("/a", "cookie", "x=1")...)
	p.headers(3, false, post()...)
	_ = p.w.WriteData(3, true, []byte("body"))
	f.Add(bytes.Clone(p.to.Bytes()), 20)
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		s := New(usual, 0)
		in = append([]byte(Preface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"), in...)
		for now := int64(0); len(in) > 0; now += 1e6 {
			n := min(len(in), max(1, cut&0x3fff))
			used := s.Feed(in[:n], now)
			if used == 0 && n == len(in) {
				break
			}
			if used == 0 {
				cut = min(2*n, 1<<14-1)
				if n >= 1<<14-1 {
					used = s.Feed(in, now)
				}
			}
			in = in[used:]
			for st, n := s.Next(); st != nil; st, n = s.Next() {
				if n&Opened != 0 && !st.TooLarge {
					head, _, _ := strings.Cut(text(st), "\r\n\r\n")
					if strings.Count(head, "\n") != strings.Count(head, "\r\n") || strings.ContainsRune(head, 0) {
						t.Fatalf("head %q", head)
					}
				}
				if n&Gone != 0 {
					st.Reset(Cancel)
				} else if st.Unread() == 0 && st.ended {
					st.Answer([]byte(okHead))
					st.Data([]byte("hello")[:min(5, st.Room())])
					st.End()
				}
			}
			s.Sent(len(s.Unsent()))
			if s.Dead() {
				break
			}
			if used == 0 && n >= 1<<14-1 {
				break
			}
		}
	})
}
