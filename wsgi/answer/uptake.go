package answer

import (
	"time"

	"gosrv/wsgi/body"
)

// Looks is how often in write_timeout a look is taken at what the client has
// confirmed. The kernel does not tell when that was.
const Looks = 4

// uptake is how fast the client takes an answer.
type uptake struct {
	Out   int64        // bytes that the kernel has taken, framing and all
	last  int64        // taken, at the last look
	quiet int          // looks in a row that found too little more
	rate  body.MinRate // of taken
}

// taken is how much of an answer the client has confirmed, framing included.
// What the kernel holds for it does not count: that can be megabytes.
func (u *uptake) taken(c *Conn) int64 { return u.Out - int64(c.Wire.Unconfirmed()) }

// Await is asked when a wait for room begins, at now (CLOCK_MONOTONIC, ns), with write_timeout. first: it is the first
// in a row. True: the client has taken too little for too long.
func (u *uptake) Await(c *Conn, now int64, most time.Duration, first bool) (stalled bool) {
	taken := u.taken(c)
	if first {
		u.rate.Start(now, taken)
	} else if u.rate.TooSlow(now, taken, most) {
		return true
	}
	u.last, u.quiet = taken, 0
	return false
}

// Look is one look in that time. A client on a slow line takes bytes long
// before the kernel calls that room.
func (u *uptake) Look(c *Conn, most time.Duration) (stalled bool) {
	taken := u.taken(c)
	if !body.TooFew(taken-u.last, most/Looks) {
		u.quiet = 0
	} else if u.quiet++; u.quiet >= Looks {
		return true
	}
	u.last = taken
	return false
}
