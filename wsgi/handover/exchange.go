// Package handover offers connections to the other workers of a server and takes
// theirs: the socket pair, the packet, and the claim that decides whose a
// connection is. Which connections, and when, is its owner's to say.
package handover

import (
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/loop"
)

// Exchange is the socket pair over which the workers of a server offer each
// other connections, with the claims. All of them hold both ends. The zero value
// is of a worker that is alone. One thread at a time may use it.
type Exchange struct {
	in, out int
	claims  *scoreboard.Claims
	buf     []byte // room for one packet
}

// Add takes a descriptor of Serve or Exchange over, by its name there.
func (x *Exchange) Add(name string, fd int) (err error) {
	switch name {
	case workerctl.FDExchangeIn:
		x.in = fd
	case workerctl.FDExchangeOut:
		x.out = fd
	case workerctl.FDClaims:
		x.claims, err = scoreboard.OpenClaims(fd)
		loop.Drop(fd)
	}
	return err
}

// Joined tells whether there is an exchange.
func (x *Exchange) Joined() bool { return x.claims != nil }

// FDs are the descriptors that the worker owns.
func (x *Exchange) FDs() (in, out int) { return x.in, x.out }

// Inherit goes on counting where the last worker of that slot has stopped.
func (x *Exchange) Inherit(slot int) { x.claims.Inherit(slot) }

// Send offers a copy of the connection fd to whichever worker is the first to
// look, and fills o.Claim in. away is called before the packet leaves: nobody
// else may look at the connection's events from then on. false: it was not sent.
func (x *Exchange) Send(slot int, o *Offer, bytes []byte, fd int, away func()) bool {
	claim, ok := x.claims.Offer(slot)
	if !ok {
		return false
	}
	o.Claim = claim
	if packet := o.pack(x.packet(), bytes); packet != nil {
		away()
		if loop.SendFD(x.in, packet, fd) == loop.None {
			return true
		}
	}
	x.claims.Reclaim(claim) // most likely nobody reads and the socket is full
	return false
}

// Taken tells whether another worker has the connection: it is that one's then.
func (x *Exchange) Taken(claim scoreboard.Claim) bool { return x.claims.Settle(claim) }

// Reclaim takes an offer back; false: another worker was quicker.
func (x *Exchange) Reclaim(claim scoreboard.Claim) bool { return x.claims.Reclaim(claim) }

// Take makes an offered connection this worker's; false: its sender has taken it
// back, or another worker has it. Nothing is done with it before.
func (x *Exchange) Take(o *Offer) bool { return x.claims.Take(o.Claim) }

// Receive reads one offer. empty: there is none, another worker was quicker. fd is
// the connection's, the caller's from now on; -1: there was no room for a
// descriptor, and the sender still has it. The bytes are valid until the next
// call.
func (x *Exchange) Receive() (o Offer, bytes []byte, fd int, empty bool, err error) {
	n, fd, e := loop.RecvFD(x.out, x.packet())
	if e != loop.None {
		return o, nil, -1, true, nil
	}
	if fd < 0 {
		return o, nil, -1, false, nil
	}
	o, bytes, err = unpack(x.buf[:n])
	return o, bytes, fd, false, err
}

func (x *Exchange) packet() []byte {
	if x.buf == nil {
		x.buf = make([]byte, 4+aboutMax+MaxBytes)
	}
	return x.buf
}
