package wsgi

import "gosrv/wsgi/scoreboard"

type crew struct{}
type member struct{}

func (k *crew) clearKick(fd int) {}

func (w *worker) kick() {}

func (s *slot) enter(c *conn, a *answer, method, path []byte) {
	c.phase, c.slot = serving, s.n
	s.cur, s.curAns = c, a
	if method != nil {
		s.w.score.SetState(scoreboard.Busy)
		s.w.score.Begin(a.started, method, path)
	}
}

func (s *slot) leave(c *conn, v verdict) bool {
	a := s.curAns
	if c.ans != nil {
		a = c.ans
	}
	s.cur, s.curAns = nil, nil
	s.report(c, a, v)
	s.w.score.End()
	s.settle(c, a, v)
	return true
}

func (w *worker) delegate(s *slot, c *conn) bool { return true }
func (s *slot) returned() bool                   { return true }
func (s *slot) rests() bool                      { return true }
func (s *slot) woke()                            {}
