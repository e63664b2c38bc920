package loop

// Buffer holds what a connection has received and not consumed. It has memory
// of a pool only while there is something in it or about to come. Positions in
// it count from the first unread byte, so that they stay right when the bytes
// are moved: by Shift, Grow, and MakeRoom.
type Buffer struct {
	mem  []byte // nil: none is lent
	r, w int    // mem[r:w] is unread
}

// Unread is what was not consumed; a view, valid until the bytes are moved.
func (b *Buffer) Unread() []byte { return b.mem[b.r:b.w] }

// Len is the number of unread bytes.
func (b *Buffer) Len() int { return b.w - b.r }

// Extent is the unread bytes and all memory behind them; a view.
func (b *Buffer) Extent() []byte { return b.mem[b.r:] }

// Room is the memory behind the unread bytes, for the next ones; a view.
func (b *Buffer) Room() []byte { return b.mem[b.w:] }

// Full tells that there is no room but by more memory.
func (b *Buffer) Full() bool { return b.r == 0 && b.w == len(b.mem) }

// Lent tells whether the buffer has memory.
func (b *Buffer) Lent() bool { return b.mem != nil }

// Add says that n bytes were put into Room.
func (b *Buffer) Add(n int) { b.w += n }

// Consume forgets the first n unread bytes.
func (b *Buffer) Consume(n int) {
	b.r += n
	if b.r == b.w {
		b.r, b.w = 0, 0
	}
}

// Truncate leaves the first n bytes of Extent as unread.
func (b *Buffer) Truncate(n int) { b.w = b.r + n }

// Cut removes n unread bytes at a position.
func (b *Buffer) Cut(at, n int) {
	u := b.Unread()
	b.w = b.r + at + copy(u[at:], u[at+n:])
}

// Shift moves the unread bytes to the front of the memory.
func (b *Buffer) Shift() {
	if b.r > 0 {
		b.w = copy(b.mem, b.mem[b.r:b.w])
		b.r = 0
	}
}

// Grow sees to it that the buffer has memory of at least n bytes in all; false
// if the pool has none as large.
func (b *Buffer) Grow(pool *Buffers, n int) bool {
	if b.mem != nil && len(b.mem) >= n {
		return true
	}
	bigger := pool.Get(n)
	if bigger == nil {
		return false
	}
	unread := copy(bigger, b.Unread())
	b.Release(pool)
	b.mem, b.w = bigger, unread
	return true
}

// MakeRoom sees to it that there is Room; false if there is no larger memory.
func (b *Buffer) MakeRoom(pool *Buffers) bool {
	if b.w < len(b.mem) {
		return true
	}
	if b.r > 0 {
		b.Shift()
		return true
	}
	return b.Grow(pool, len(b.mem)+1)
}

// Fit moves the unread bytes to memory of just their size, which is nobody else's. The next ones need more.
func (b *Buffer) Fit(pool *Buffers) {
	if b.mem == nil || len(b.mem) < 2*b.Len() {
		return
	}
	unread := append([]byte(nil), b.Unread()...)
	b.Release(pool)
	pool.lent += len(unread)
	b.mem, b.w = unread, len(unread)
}

// Release gives the memory back, with whatever is in it.
func (b *Buffer) Release(pool *Buffers) {
	if b.mem != nil {
		pool.Put(b.mem)
		*b = Buffer{}
	}
}
