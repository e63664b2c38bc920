// Package reuseport keeps the sockets of --reuse-port. Each worker has one of its
// own for each TCP address, which the master keeps and passes to the worker's
// successor. The first worker's is the generation's; the others are here. What
// must hold:
//
//   - A socket listens when its first worker is ready, not before.
//   - One whose worker is not there is served by all others (Cover), until the
//     successor is ready (Uncover).
//   - One that is no longer needed takes no SYN from then on, is covered for
//     Grace, so that connections whose handshake is under way arrive, and is
//     closed by each worker once it is empty.
package reuseport

import (
	"time"

	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
)

// Grace is longer than a handshake and shorter than the second after which a
// client repeats a SYN that was dropped: the next one meets another socket.
const Grace = 500 * time.Millisecond

// Server is what the sockets are looked after with.
type Server struct {
	Generations *generation.Generations
	Table       *workers.Table
	Log         *errlog.Logger
	// Alone tells whether no other master serves.
	Alone func() bool
	// Tell sends a worker an order.
	Tell func(c *workers.Worker, msg workerctl.Message, fds ...int)
}

// Sockets are those of all generations: they outlive each.
type Sockets struct {
	Server
	own []*socket
}

// socket is one that a worker has beside the first one's.
type socket struct {
	*listen.Socket
	nr     int       // of the worker
	shared bool      // another master has it, while there is one
	ends   time.Time // closed then; zero: it is needed
}

// Adopt takes the sockets that the old master's workers had beside the first.
func (p *Sockets) Adopt(beside listen.Set) {
	next := map[listen.Addr]int{}
	for _, s := range beside {
		next[s.Asked]++
		p.own = append(p.own, &socket{nr: next[s.Asked], Socket: s, shared: true})
	}
}

// Own gives all of them.
func (p *Sockets) Own() (set listen.Set) {
	for _, s := range p.own {
		set = append(set, s.Socket)
	}
	return set
}

// Share gives the descriptors of those that a new master is to have, too.
func (p *Sockets) Share() (fds []int) {
	for _, s := range p.own {
		if s.shared = s.ends.IsZero() && s.Listens(); s.shared {
			fds = append(fds, s.FD)
		}
	}
	return fds
}

// For gives the sockets of one worker, one for each address.
func (p *Sockets) For(g *generation.Generation, nr int) listen.Set {
	if !g.ReusesPort() || nr == 0 {
		return g.Sockets
	}
	var set listen.Set
	for _, first := range g.Sockets {
		set = append(set, p.beside(first, nr))
	}
	return set
}

// beside gives the socket of a worker for an address; the first worker's if there
// can be none.
func (p *Sockets) beside(first *listen.Socket, nr int) *listen.Socket {
	if first.Asked.Kind != listen.TCP {
		return first
	}
	for _, s := range p.own {
		if s.nr == nr && s.ends.IsZero() && s.Asked == first.Asked && s.Bound == first.Bound {
			return s.Socket
		}
	}
	made, err := listen.Beside(first)
	if err != nil {
		p.Log.Warningf("Worker %d shares a socket: %v", nr, err)
		return first
	}
	p.own = append(p.own, &socket{nr: nr, Socket: made})
	return made
}
