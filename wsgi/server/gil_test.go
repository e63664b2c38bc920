package server

import "testing"

// Requests of one batch share the GIL; whoever waits for events has given it back.
func TestGILIsKeptWithinABatchOnly(t *testing.T) {
	entered, gate := make(chan bool), make(chan bool)
	s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		if r.path == "/gate" {
			entered <- true
			<-gate
		}
		return hello(r)
	})
	first := s.dial()
	others := []*client{s.dial(), s.dial(), s.dial(), s.dial()}
	for _, c := range others { // accepted, and in the epoll set
		c.send(get("/"))
		wantAnswer(c, "GET / ")
	}
	first.send(get("/gate"))
	<-entered
	before := s.app.kept.Load()
	for _, c := range others {
		c.send(get("/batch"))
	}
	gate <- true
	wantAnswer(first, "GET /gate ")
	for _, c := range others {
		wantAnswer(c, "GET /batch ")
	}
	if n := s.app.kept.Load() - before; n == 0 || n > 3 {
		t.Errorf("the GIL was kept after %d calls of a batch of 4", n)
	}
	// The last event brings no request, so nobody but the loop can give it back.
	first.send(get("/gate"))
	<-entered
	others[0].send(get("/batch"))
	others[1].send("GET /unfinished")
	gate <- true
	wantAnswer(first, "GET /gate ")
	wantAnswer(others[0], "GET /batch ")
	waitFor(t, func() bool { return !s.app.holding.Load() })
}
