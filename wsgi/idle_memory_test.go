package wsgi

import "testing"

// What the start has left goes while nothing is asked for, and once only.
func TestTheStartIsTidiedUpOnce(t *testing.T) {
	s := serveFake(t, testSettings(), func(*fakeRequest) fakeReply { return fakeReply{status: "200 OK"} })
	waitFor(t, func() bool { return s.app.dropped.Load() > 0 })
	c := s.dial()
	_, _ = c.Write([]byte(get("/")))
	c.head()
	c.Close()
	s.stop()
	if n := s.app.dropped.Load(); n != 1 {
		t.Errorf("pages were dropped %d times", n)
	}
}
