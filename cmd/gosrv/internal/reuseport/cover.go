package reuseport

import (
	"slices"

	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/wsgi/ipc/workerctl"
)

// cover has the ready workers serve what no worker of its own serves.
func (p *Sockets) cover() {
	var bare listen.Set
	for _, s := range p.listening() {
		if !slices.ContainsFunc(p.Table.List, func(c *workers.Worker) bool { return c.Accepts() && slices.Contains(c.Sockets, s) }) {
			bare = append(bare, s)
		}
	}
	for _, c := range p.Table.List {
		if !c.Accepts() || c.Generation < p.Generations.Current.Number {
			continue
		}
		for _, s := range bare {
			if !slices.Contains(c.Covers, s) && !slices.Contains(c.Sockets, s) {
				c.Covers = append(c.Covers, s)
				about := s.Bound
				about.ID, about.HTTPS = s.FD, p.Generations.Current.Certificates != nil
				p.Tell(c, workerctl.Cover{Listener: about}, s.FD)
			}
		}
		for _, s := range slices.Clone(c.Covers) {
			if !slices.Contains(bare, s) {
				p.uncover(c, s)
			}
		}
	}
}

// uncover takes a socket from a worker that covers it, or whose own it was.
func (p *Sockets) uncover(c *workers.Worker, s *listen.Socket) {
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
	p.Tell(c, workerctl.Uncover{ID: s.FD})
}

// listening gives every socket that has a queue: the first workers' and the others'.
func (p *Sockets) listening() listen.Set {
	var set listen.Set
	for _, s := range p.Generations.Current.Sockets {
		if s.Asked.Kind == listen.TCP {
			set = append(set, s)
		}
	}
	for _, s := range p.own {
		if s.Listens() {
			set = append(set, s.Socket)
		}
	}
	return set
}
