package reuseport

import (
	"slices"
	"time"

	"gosrv/cmd/gosrv/internal/listen"
)

// Tend retires sockets that have no worker any more, and sees that all that listen
// are served.
func (p *Sockets) Tend(now time.Time) {
	if len(p.own) == 0 && !p.Generations.Current.ReusesPort() {
		return
	}
	var gone []*listen.Socket
	p.own = slices.DeleteFunc(p.own, func(s *socket) bool {
		if s.ends.IsZero() && p.Alone() && !p.needed(s) {
			s.ends = now.Add(Grace)
			if err := s.Refuse(); err != nil {
				p.Log.Debugf("%v", err)
			}
		}
		if s.ends.IsZero() || now.Before(s.ends) {
			return false
		}
		gone = append(gone, s.Socket)
		return true
	})
	for _, s := range gone {
		s.Close(false) // the workers that cover it have duplicates
		for _, c := range p.Table.List {
			p.uncover(c, s)
		}
	}
	p.cover()
}

// needed tells whether a socket has, or will have, a worker of its own.
func (p *Sockets) needed(own *socket) bool {
	for _, g := range p.Generations.All() {
		if g.ReusesPort() && (own.nr < g.Workers || g.Workers == 0) && slices.ContainsFunc(g.Sockets, func(s *listen.Socket) bool {
			return s.Asked == own.Asked && s.Bound == own.Bound
		}) {
			return true
		}
	}
	return false
}

// Due is the moment at which the next socket is to be closed; zero: none.
func (p *Sockets) Due() (first time.Time) {
	for _, s := range p.own {
		if !s.ends.IsZero() && (first.IsZero() || s.ends.Before(first)) {
			first = s.ends
		}
	}
	return first
}

// Close closes the master's share of all of them. In a graceful stop no SYN may
// come any more to those that no other master serves; beside another one the
// workers are told which these are, because they leave the queues to its workers.
func (p *Sockets) Close(graceful bool) {
	for _, s := range p.own {
		if graceful && (p.Alone() || !s.shared) {
			if err := s.Refuse(); err != nil {
				p.Log.Debugf("%v", err)
			}
			for _, c := range p.Table.List {
				if !p.Alone() {
					p.uncover(c, s.Socket)
				}
			}
		}
		s.Socket.Close(false)
	}
	p.own = nil
}
