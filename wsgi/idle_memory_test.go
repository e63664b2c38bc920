package wsgi

import (
	"testing"
	"time"
)

// resting is a thread between two calls.
type resting struct {
	busy    bool
	dropped int
	spare   []int // what TrimBuffers gives up, each time
}

func (r *resting) MayEnter() bool { return !r.busy }
func (r *resting) DropPages()     { r.dropped++ }

func (r *resting) TrimBuffers() (bytes int, again bool) {
	bytes, r.spare = r.spare[0], r.spare[1:]
	return bytes, len(r.spare) > 0
}

// What the start has left goes while nothing is asked for, and once only.
func TestTheStartIsTidiedUpOnce(t *testing.T) {
	var m idleMemory
	thread := resting{busy: true}
	now := m.Begin(1)
	for turns := 0; turns < 10 && thread.dropped == 0; turns++ {
		now = m.Look(&thread, now, 0, false, false)
		thread.busy = turns < 3
	}
	for range 3 {
		now = m.Look(&thread, now, 0, false, false)
	}
	if thread.dropped != 1 {
		t.Errorf("pages were dropped %d times", thread.dropped)
	}
}

// A burst of large bodies is followed by a look, a second later.
func TestABurstIsTidiedUp(t *testing.T) {
	var m idleMemory
	if next := m.Look(&resting{}, 5, burst, false, false); next < int64(time.Hour) {
		t.Errorf("%d bytes of buffers are a burst", burst)
	}
	if next := m.Look(&resting{}, 5, 1, false, false); next != 5+int64(burstRest) {
		t.Errorf("the next look is at %d", next)
	}
	if next := m.Look(&resting{}, 5+int64(burstRest), 0, false, false); next < int64(time.Hour) || m.dropped != 0 {
		t.Errorf("it goes on: %d, %d bytes", next, m.dropped)
	}
}

// Buffers that a load has left go once nobody needs them, however often that takes a look.
func TestBuffersGoAfterTheLoad(t *testing.T) {
	var m idleMemory
	thread := resting{spare: []int{0, 7 << 14}}
	next := m.Look(&thread, 5, 0, false, true)
	if next != 5+int64(calm) {
		t.Fatalf("the first look is at %d", next)
	}
	if next = m.Look(&thread, next, 0, false, false); next != 5+2*int64(calm) {
		t.Fatalf("the second look is at %d", next)
	}
	if next = m.Look(&thread, next, 0, false, false); next < int64(time.Hour) || len(thread.spare) > 0 {
		t.Errorf("it goes on at %d", next)
	}
}
