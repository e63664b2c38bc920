package wsgi

import (
	"testing"
	"time"
)

// resting is a thread between two calls.
type resting struct {
	busy    bool
	dropped int
}

func (r *resting) MayEnter() bool { return !r.busy }
func (r *resting) DropPages()     { r.dropped++ }

// What the start has left goes while nothing is asked for, and once only.
func TestTheStartIsTidiedUpOnce(t *testing.T) {
	var m idleMemory
	thread := resting{busy: true}
	now := m.Begin(1)
	for turns := 0; turns < 10 && thread.dropped == 0; turns++ {
		now = m.Look(&thread, now, 0, false)
		thread.busy = turns < 3
	}
	for range 3 {
		now = m.Look(&thread, now, 0, false)
	}
	if thread.dropped != 1 {
		t.Errorf("pages were dropped %d times", thread.dropped)
	}
}

// A burst of large bodies is followed by a look, a second later.
func TestABurstIsTidiedUp(t *testing.T) {
	var m idleMemory
	if next := m.Look(&resting{}, 5, burst, false); next < int64(time.Hour) {
		t.Errorf("%d bytes of buffers are a burst", burst)
	}
	if next := m.Look(&resting{}, 5, 1, false); next != 5+int64(burstRest) {
		t.Errorf("the next look is at %d", next)
	}
	if next := m.Look(&resting{}, 5+int64(burstRest), 0, false); next < int64(time.Hour) || m.dropped != 0 {
		t.Errorf("it goes on: %d, %d bytes", next, m.dropped)
	}
}
