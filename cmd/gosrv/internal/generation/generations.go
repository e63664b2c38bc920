package generation

import (
	"gosrv/cmd/gosrv/internal/logs"
	"gosrv/cmd/gosrv/internal/workers"
)

// Generations are those that a server has now.
type Generations struct {
	Current *Generation
	Next    *Generation // being brought up by a reload, else nil
	started int         // ever
}

// Begin makes one and numbers it. Until its settings are known it logs to standard
// error.
func (s *Generations) Begin() *Generation {
	s.started++
	stderr, _ := logs.Open("-", 2) // a standard stream: cannot fail
	return &Generation{
		Number: s.started, Established: map[int]bool{},
		Resources: Resources{Targets: logs.Targets{ErrorLog: stderr}},
		Restarts:  workers.Backoff{Free: 1}, // the death of one that was ready is answered at once
	}
}

// All gives the one or two.
func (s *Generations) All() []*Generation {
	if s.Next == nil {
		return []*Generation{s.Current}
	}
	return []*Generation{s.Current, s.Next}
}

// Newest is the one whose config file was loaded last: server hooks run there.
func (s *Generations) Newest() *Generation {
	if s.Next != nil && s.Next.Up() {
		return s.Next
	}
	return s.Current
}

// Numbered gives the one with that number; nil: it is retired.
func (s *Generations) Numbered(number int) *Generation {
	for _, g := range s.All() {
		if g.Number == number {
			return g
		}
	}
	return nil
}

// Of gives the one whose settings count for a worker of that generation: those of
// a retired one live by the current one's.
func (s *Generations) Of(number int) *Generation {
	if g := s.Numbered(number); g != nil {
		return g
	}
	return s.Current
}
