package server

import "testing"

func TestAWorkerIsNotAtRestWithAThreadInside(t *testing.T) {
	for name, change := range map[string]func(s *server){
		"told to quit":         func(s *server) { s.quitting.Store(true) },
		"the server ends":      func(s *server) { s.drain.final = true },
		"a call is given up":   func(s *server) { s.answers.Lost.Store(1) },
		"a thread is in there": func(s *server) { s.crew.pool.size = 2; s.crew.pool.out.Store(1) },
	} {
		s := newFake(t, testSettings(), hello)
		if !s.AtRest() {
			t.Errorf("before %s: not at rest", name)
		}
		change(s)
		if s.AtRest() {
			t.Errorf("%s: at rest", name)
		}
		s.poll.Close()
		s.master.Close()
		s.ctl.Close()
	}
}

// What the start has left goes while nothing is asked for, and once only.
func TestTheStartIsTidiedUpOnce(t *testing.T) {
	s := serveFake(t, testSettings(), hello)
	waitFor(t, func() bool { return s.app.dropped.Load() > 0 })
	c := s.dial()
	c.send(get("/"))
	wantAnswer(c, "GET / ")
	c.Close()
	s.stop()
	if n := s.app.dropped.Load(); n != 1 {
		t.Errorf("pages were dropped %d times", n)
	}
}
