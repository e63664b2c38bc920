package loop

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Whatever is done to a buffer, its unread bytes are those of a plain slice.
func TestBufferKeepsWhatIsUnread(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var pool Buffers
	var b Buffer
	var want []byte
	for n := range 20000 {
		switch r.IntN(6) {
		case 0:
			k := r.IntN(len(want) + 1)
			b.Consume(k)
			want = want[k:]
		case 1:
			k := r.IntN(len(want) + 1)
			b.Truncate(k)
			want = want[:k]
		case 2:
			at := r.IntN(len(want) + 1)
			k := r.IntN(len(want) - at + 1)
			b.Cut(at, k)
			want = append(bytes.Clone(want[:at]), want[at+k:]...)
		case 3:
			b.Shift()
		case 4:
			b.Grow(&pool, r.IntN(SmallBuffer+MediumBuffer))
		default:
			if !b.MakeRoom(&pool) {
				b.Release(&pool)
				want = nil
				continue
			}
			k := r.IntN(min(len(b.Room()), 20<<10) + 1)
			for i := range k {
				b.Room()[i] = byte(n + i)
			}
			want = append(bytes.Clone(want), b.Room()[:k]...)
			b.Add(k)
		}
		if !bytes.Equal(b.Unread(), want) || b.Len() != len(want) {
			t.Fatalf("step %d: %d bytes are unread, not %d, or they are others", n, b.Len(), len(want))
		}
	}
	b.Release(&pool)
	if pool.Lent() != 0 || b.Lent() {
		t.Errorf("%d bytes were not given back", pool.Lent())
	}
}
