// Package queue stands between those who have something to log, and never wait for it, and one goroutine that hands it
// on to a file or a server. What it cannot take is counted, and reported as lost.
package queue

import (
	"sync"
	"time"
)

// Queue has a goroutine that is given what was put in since it was given something before. T is what holds it, slices
// as a rule; two of them are used in turn, so that nothing is allocated for long. All methods may be called from any
// goroutine.
//
//	Put ──▶ filling ──swap──▶ (goroutine) sending ──send──▶ descriptor, socket
type Queue[T any] struct {
	send     func(batch *T, last bool) (sent bool)
	interval time.Duration
	wake     chan struct{}
	ending   chan struct{} // closed by Close
	done     chan struct{}

	mu      sync.Mutex
	filling *T
	closed  bool
}

// New makes a queue. From Start on its goroutine calls send with what has come together; send empties it for its next
// turn and says whether there was something. It is called once more with last when the queue is closed, and not again.
// interval is how long things come together after something was sent: a busy server wakes the goroutine that often and
// not at each request, and on a quiet one a line leaves at once.
func New[T any](interval time.Duration, send func(batch *T, last bool) (sent bool)) *Queue[T] {
	return &Queue[T]{
		send: send, interval: interval, filling: new(T),
		wake: make(chan struct{}, 1), ending: make(chan struct{}), done: make(chan struct{}),
	}
}

// Start begins the goroutine.
func (q *Queue[T]) Start() { go q.run() }

// Lock gives what is being filled, for the caller alone until Unlock. ok is false when the queue is closed: what is put
// in then goes nowhere.
func (q *Queue[T]) Lock() (filling *T, ok bool) {
	q.mu.Lock()
	return q.filling, !q.closed
}

// Unlock ends what Lock began. With wake the goroutine is told that there is something.
func (q *Queue[T]) Unlock(wake bool) {
	q.mu.Unlock()
	if wake {
		select {
		case q.wake <- struct{}{}:
		default: // it will look in any case
		}
	}
}

// Close has the rest sent and ends the goroutine. false: that took longer than patience, and what is left is lost.
func (q *Queue[T]) Close(patience time.Duration) bool {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.ending)
	}
	q.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-q.done:
		return true
	case <-timer.C:
	}
	select {
	case <-q.done:
		return true
	default:
		return false
	}
}

// Pause lets time pass, for send. false: the queue is to end.
func (q *Queue[T]) Pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-q.ending:
		return false
	}
}

// Done is closed when the goroutine has ended.
func (q *Queue[T]) Done() <-chan struct{} { return q.done }

func (q *Queue[T]) run() {
	defer close(q.done)
	pause := time.NewTimer(q.interval)
	sending := new(T)
	for {
		q.mu.Lock()
		sending, q.filling = q.filling, sending
		last := q.closed
		q.mu.Unlock()
		sent := q.send(sending, last)
		if last {
			return
		}
		if sent {
			pause.Reset(q.interval)
			select {
			case <-pause.C:
			case <-q.ending:
			}
			continue
		}
		select {
		case <-q.wake:
		case <-q.ending:
		}
	}
}
