package loop

// Sizes of read buffers in bytes: the first holds any usual request, the last
// holds the largest head and a body of 1 MiB.
const (
	SmallBuffer  = 16 << 10
	MediumBuffer = 128 << 10
	LargeBuffer  = 1<<20 + 128<<10
)

var bufferSizes = [...]int{SmallBuffer, MediumBuffer, LargeBuffer}

// kept is how many free buffers of each size are kept for the next user.
var kept = [...]int{64, 8, 2}

// Buffers lends read buffers. The last one given back is lent first: it is the
// one in the processor's cache. One thread at a time may use it.
type Buffers struct {
	free    [len(bufferSizes)][][]byte
	lent    int
	dropped int
}

// Get lends a buffer of at least n bytes; nil if n is above LargeBuffer.
func (b *Buffers) Get(n int) []byte {
	for i, size := range bufferSizes {
		if n > size {
			continue
		}
		b.lent += size
		if k := len(b.free[i]); k > 0 {
			buf := b.free[i][k-1]
			b.free[i] = b.free[i][:k-1]
			return buf
		}
		return make([]byte, size)
	}
	return nil
}

// Put takes a buffer back that Get lent.
func (b *Buffers) Put(buf []byte) {
	b.lent -= len(buf)
	for i, size := range bufferSizes {
		if len(buf) == size && len(b.free[i]) < kept[i] {
			b.free[i] = append(b.free[i], buf)
			return
		}
	}
	b.dropped += len(buf)
}

// Lent is the number of bytes lent now.
func (b *Buffers) Lent() int { return b.lent }

// Dropped is the number of bytes that were given up for the garbage collector
// since it was last asked.
func (b *Buffers) Dropped() int {
	n := b.dropped
	b.dropped = 0
	return n
}
