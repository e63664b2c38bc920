package response

import (
	"bytes"
	"testing"
	"time"

	"gosrv/wsgi/http1"
)

// What Frame writes around a piece is what a decoder of chunks reads, and what
// is left of it when the kernel has taken a part is counted without frames.
func TestAFramedPieceIsReadAsItself(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 70000} {
		for _, last := range []bool{false, true} {
			f := Framing{Chunked: true, Length: -1}
			data := bytes.Repeat([]byte("x"), n)
			before, behind := f.Frame([]byte("head"), n, last)
			wire := append(append(bytes.Clone(before[4:]), data...), behind...)
			var r http1.ChunkReader
			r.Reset(&http1.Policy{})
			var got []byte
			state := http1.Data
			for rest := wire; len(rest) > 0 && state != http1.Done; {
				part, used, s, err := r.Next(rest)
				if err != nil {
					t.Fatalf("%q: %v", wire, err)
				}
				got, rest, state = append(got, part.Of(rest)...), rest[used:], s
			}
			if !bytes.Equal(got, data) || (state == http1.Done) != last {
				t.Errorf("%d bytes, last %v: read as %d bytes, state %v", n, last, len(got), state)
			}
			if n > 0 {
				if left := f.Payload(append(bytes.Clone(before), data...), 4, 0); left != int64(n) {
					t.Errorf("%d bytes are counted as %d", n, left)
				}
			}
		}
	}
}

func TestOnlyChunkedBodiesAreFramed(t *testing.T) {
	for _, f := range []Framing{{Length: 5}, {Length: -1}, {Chunked: true, NoBody: true}} {
		if before, behind := f.Frame(nil, 5, true); len(before)+len(behind) > 0 {
			t.Errorf("%+v: framed by %q and %q", f, before, behind)
		}
	}
}

func TestAPageForHEADHasNoBody(t *testing.T) {
	page := AppendPage([]byte(nil), 408, http1.AppendDate(nil, time.Unix(0, 0)), false)
	if head := AppendPage(nil, 408, http1.AppendDate(nil, time.Unix(0, 0)), true); !bytes.Equal(head.Text, page.Text[:page.HeadLen]) || head.BodyLen() != 0 {
		t.Errorf("%q, of %q", head.Text, page.Text)
	}
	if page.BodyLen() == 0 || !bytes.HasSuffix(page.Text[:page.HeadLen], []byte("\r\n\r\n")) {
		t.Errorf("head of %d bytes in %q", page.HeadLen, page.Text)
	}
}
