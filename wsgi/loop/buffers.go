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

// swollenAt is how many free buffers of a size are no matter.
const swollenAt = 4

// Buffers lends read buffers. The last one given back is lent first: it is the
// one in the processor's cache. One thread at a time may use it.
type Buffers struct {
	free     [len(bufferSizes)][][]byte
	unneeded [len(bufferSizes)]int // the fewest that were free since Trim: nobody has needed those
	swollen  bool                  // more than swollenAt were free since Trim
	told     bool                  // Swollen has said so
	lent     int
	dropped  int
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
			b.unneeded[i] = min(b.unneeded[i], k-1)
			return buf
		}
		b.unneeded[i] = 0
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
			b.swollen = b.swollen || len(b.free[i]) > swollenAt
			return
		}
	}
	if len(buf) >= SmallBuffer { // less is what Fit has made: such garbage is any request's
		b.dropped += len(buf)
	}
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

// Swollen tells once that so many are free that Trim is worth a call later.
func (b *Buffers) Swollen() bool {
	if !b.swollen || b.told {
		return false
	}
	b.told = true
	return true
}

// Trim gives up the free buffers that nobody has needed since it was last called, for
// the garbage collector. bytes: how many; again: what is left is still worth a call later.
func (b *Buffers) Trim() (bytes int, again bool) {
	for i, size := range bufferSizes {
		n := len(b.free[i]) - b.unneeded[i]
		for k := n; k < len(b.free[i]); k++ {
			b.free[i][k] = nil
			bytes += size
		}
		b.free[i] = b.free[i][:n]
		b.unneeded[i] = n
		again = again || n > swollenAt
	}
	b.swollen, b.told = again, again
	return bytes, again
}
