package master

import (
	"slices"
	"time"

	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/wsgi/ipc/workerctl"
)

// With --reuse-port each worker has a socket of its own for each TCP address,
// its lane, which the master keeps and passes to the worker's successor. The
// first worker's is the generation's; the others are here. What must hold:
//
//   - A lane listens when its first worker is ready, not before.
//   - One whose worker is not there is served by all others (Cover), until the
//     successor is ready (Uncover).
//   - One that is no longer needed takes no SYN from then on, is covered for
//     laneGrace, so that connections whose handshake is under way arrive, and
//     is closed by each worker once it is empty.

// laneGrace is longer than a handshake and shorter than the second after which
// a client repeats a SYN that was dropped: the next one meets another lane.
const laneGrace = 500 * time.Millisecond

// lane is the socket that one worker has beside the first one's.
type lane struct {
	nr     int // of the worker
	socket *listen.Socket
	shared bool      // another master has it, while there is one
	ends   time.Time // closed then; zero: it is needed
}

// lanes are those of all generations: their sockets outlive each.
type lanes []*lane

// adopt takes the sockets that the old master's workers had beside the first.
func (l *lanes) adopt(beside listen.Set) {
	next := map[listen.Addr]int{}
	for _, s := range beside {
		next[s.Asked]++
		*l = append(*l, &lane{nr: next[s.Asked], socket: s, shared: true})
	}
}

// socketsFor gives the sockets of one worker, one for each address.
func (m *Master) socketsFor(g *generation.Generation, nr int) listen.Set {
	if !g.ReusesPort() || nr == 0 {
		return g.Sockets
	}
	var set listen.Set
	for _, first := range g.Sockets {
		set = append(set, m.laneBeside(first, nr))
	}
	return set
}

// laneBeside gives the socket of a worker for an address; the first worker's if
// there can be none.
func (m *Master) laneBeside(first *listen.Socket, nr int) *listen.Socket {
	if first.Asked.Kind != listen.TCP {
		return first
	}
	for _, l := range m.lanes {
		if l.nr == nr && l.ends.IsZero() && l.socket.Asked == first.Asked && l.socket.Bound == first.Bound {
			return l.socket
		}
	}
	s, err := listen.Beside(first)
	if err != nil {
		m.log.Warningf("Worker %d shares a socket: %v", nr, err)
		return first
	}
	m.lanes = append(m.lanes, &lane{nr: nr, socket: s})
	return s
}

// tendLanes retires lanes that have no worker any more, and sees that all that
// listen are served.
func (m *Master) tendLanes(now time.Time) {
	if len(m.lanes) == 0 && !m.gens.Current.ReusesPort() {
		return
	}
	var gone []*listen.Socket
	m.lanes = slices.DeleteFunc(m.lanes, func(l *lane) bool {
		if l.ends.IsZero() && m.alone() && !m.needed(l) {
			l.ends = now.Add(laneGrace)
			if err := l.socket.Refuse(); err != nil {
				m.log.Debugf("%v", err)
			}
		}
		if l.ends.IsZero() || now.Before(l.ends) {
			return false
		}
		gone = append(gone, l.socket)
		return true
	})
	for _, s := range gone {
		s.Close(false) // the workers that cover it have duplicates
		for _, c := range m.table.List {
			m.uncover(c, s)
		}
	}
	m.coverLanes()
}

// needed tells whether a lane has, or will have, a worker of its own.
func (m *Master) needed(l *lane) bool {
	for _, g := range m.gens.All() {
		if g.Plan == nil {
			continue
		}
		if g.ReusesPort() && (l.nr < g.Workers || g.Workers == 0) && slices.ContainsFunc(g.Sockets, func(s *listen.Socket) bool {
			return s.Asked == l.socket.Asked && s.Bound == l.socket.Bound
		}) {
			return true
		}
	}
	return false
}

// coverLanes has the ready workers serve what no worker of its own serves.
func (m *Master) coverLanes() {
	var bare listen.Set
	for _, s := range m.listening() {
		if !slices.ContainsFunc(m.table.List, func(c *workers.Worker) bool { return c.Accepts() && slices.Contains(c.Sockets, s) }) {
			bare = append(bare, s)
		}
	}
	for _, c := range m.table.List {
		if !c.Accepts() || c.Generation < m.gens.Current.Number {
			continue
		}
		for _, s := range bare {
			if !slices.Contains(c.Covers, s) && !slices.Contains(c.Sockets, s) {
				c.Covers = append(c.Covers, s)
				about := s.Bound
				about.ID = s.FD
				m.instruct(c, workerctl.Cover{Listener: about}, s.FD)
			}
		}
		for _, s := range slices.Clone(c.Covers) {
			if !slices.Contains(bare, s) {
				m.uncover(c, s)
			}
		}
	}
}

// uncover takes a socket from a worker that covers it, or whose own it was.
func (m *Master) uncover(c *workers.Worker, s *listen.Socket) {
	covers, own := slices.Index(c.Covers, s), slices.Index(c.Sockets, s)
	if covers < 0 && own < 0 {
		return
	}
	if covers >= 0 {
		c.Covers = slices.Delete(c.Covers, covers, covers+1)
	}
	if own >= 0 {
		c.Sockets = slices.Delete(slices.Clone(c.Sockets), own, own+1)
	}
	m.instruct(c, workerctl.Uncover{ID: s.FD})
}

// listening gives every socket that has a queue: the first workers' and the
// lanes'.
func (m *Master) listening() listen.Set {
	var set listen.Set
	for _, s := range m.gens.Current.Sockets {
		if s.Asked.Kind == listen.TCP {
			set = append(set, s)
		}
	}
	for _, l := range m.lanes {
		if l.socket.Listens() {
			set = append(set, l.socket)
		}
	}
	return set
}

// laneTime is the moment at which the next lane is to be closed; zero: none.
func (m *Master) laneTime() (first time.Time) {
	for _, l := range m.lanes {
		if !l.ends.IsZero() {
			first = sooner(first, l.ends)
		}
	}
	return first
}

// closeLanes closes the master's share of all lanes. In a graceful stop no SYN
// may come any more to those that no other master serves; beside another one the
// workers are told which these are, because they leave the queues to its workers.
func (m *Master) closeLanes(graceful bool) {
	for _, l := range m.lanes {
		if graceful && (m.alone() || !l.shared) {
			if err := l.socket.Refuse(); err != nil {
				m.log.Debugf("%v", err)
			}
			for _, c := range m.table.List {
				if !m.alone() {
					m.uncover(c, l.socket)
				}
			}
		}
		l.socket.Close(false)
	}
	m.lanes = nil
}
