package scoreboard

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/memfile"
)

// SlotClaims is how many offers a worker may have open at a time.
const SlotClaims = 256

const claimsSize = SlotClaims * 8

// States of an offer, in the low bits of its word; the rest is the sequence
// number. It changes with every offer and goes on from one worker of a slot to
// the next, so that a packet that comes late never fits another offer.
const (
	claimFree    = iota // none, or taken back: nobody but the sender has it
	claimOffered        // whoever changes this first has the connection
	claimTaken          // the receiver has it; the sender's copy is to be dropped
	claimBits    = 2
)

// Claims is memory shared by all workers that settles whose a connection is
// while one worker offers it to others: one atomic word an offer, changed by
// the sender or by one receiver, whoever comes first. So no offer is answered
// twice and none needs a time-out.
type Claims struct {
	mem   []byte
	slots int
	next  int // where this worker looks first
}

// Claim names one offer.
type Claim struct {
	Slot  int    `json:"slot"` // of the worker that made it
	Index int    `json:"index"`
	Seq   uint64 `json:"seq"`
}

// CreateClaims makes the memory for so many workers' slots. The descriptor (of
// a memfile, CLOEXEC) is the caller's, to be sent to workers.
func CreateClaims(slots int) (int, error) {
	fd, err := memfile.NewFixed("gosrv-claims", int64(slots)*claimsSize)
	if err != nil {
		return -1, fmt.Errorf("creating claims: %w", err)
	}
	return fd, nil
}

// OpenClaims maps the memory behind fd, which may be closed afterwards.
func OpenClaims(fd int) (*Claims, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("opening claims: %w", err)
	}
	if st.Size < claimsSize || st.Size%claimsSize != 0 {
		return nil, fmt.Errorf("opening claims: %d bytes are no whole slots", st.Size)
	}
	mem, err := unix.Mmap(fd, 0, int(st.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping claims: %w", err)
	}
	return &Claims{mem: mem, slots: int(st.Size / claimsSize)}, nil
}

// Close unmaps the memory.
func (c *Claims) Close() error { return unix.Munmap(c.mem) }

// Inherit makes the slot's words usable for its new worker. What the one before
// left offered stays so: a receiver may still take it.
func (c *Claims) Inherit(slot int) {
	for i := range SlotClaims {
		w := c.word(slot, i)
		if v := w.Load(); v&(1<<claimBits-1) == claimTaken {
			w.Store(v - claimTaken + claimFree)
		}
	}
}

// Offer opens an offer of the slot's worker; false if it has too many already.
func (c *Claims) Offer(slot int) (Claim, bool) {
	for range SlotClaims {
		i := c.next
		c.next = (c.next + 1) % SlotClaims
		w := c.word(slot, i)
		v := w.Load()
		if v&(1<<claimBits-1) != claimFree {
			continue
		}
		seq := v>>claimBits + 1
		w.Store(seq<<claimBits | claimOffered)
		return Claim{Slot: slot, Index: i, Seq: seq}, true
	}
	return Claim{}, false
}

// Take makes the connection the calling receiver's; false if it is not to be
// had any more, or o names no offer.
func (c *Claims) Take(o Claim) bool {
	return o.Slot >= 0 && o.Slot < c.slots && o.Index >= 0 && o.Index < SlotClaims && c.swap(o, claimOffered, claimTaken)
}

// Reclaim makes the connection the sender's again; false if it was taken.
func (c *Claims) Reclaim(o Claim) bool { return c.swap(o, claimOffered, claimFree) }

// Settle ends an offer of the sender that was taken; false if it was not.
func (c *Claims) Settle(o Claim) bool { return c.swap(o, claimTaken, claimFree) }

func (c *Claims) swap(o Claim, from, to uint64) bool {
	return c.word(o.Slot, o.Index).CompareAndSwap(o.Seq<<claimBits|from, o.Seq<<claimBits|to)
}

func (c *Claims) word(slot, i int) *atomic.Uint64 {
	at := slot*claimsSize + i*8
	return (*atomic.Uint64)(unsafe.Pointer(&c.mem[at : at+8][0]))
}

// Ready looks for a worker other than that of slot self that takes requests:
// idle, if one waits for work, and brisk, if one does or has been at its
// request for less than slow ns.
func (b *Board) Ready(self int, now, slow int64) (brisk, idle bool) {
	for i := range b.slots {
		w := b.words(i)
		if i == self || State(w.state.Load()) != Idle {
			continue
		}
		start := w.start.Load()
		if start == 0 {
			return true, true
		}
		brisk = brisk || now-start < slow
	}
	return brisk, false
}
