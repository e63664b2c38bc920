package loop

import "math"

// Timers keeps one queue for each class of time-out. All entries of a class
// live equally long, so the front of its queue is always the first to expire:
// arming, disarming and asking for the next deadline take constant time.
// One thread at a time may use it.
type Timers struct {
	class []queue
}

type queue struct {
	life        int64 // ns; 0: entries never expire
	front, back *Entry
}

// Entry is a place in at most one queue; embed one in what expires.
type Entry struct {
	FD         int // whose it is
	prev, next *Entry
	deadline   int64
	class      uint8
	armed      bool
}

// NewTimers makes one class for each life, in nanoseconds; 0 is "never".
func NewTimers(lives ...int64) *Timers {
	t := &Timers{class: make([]queue, len(lives))}
	for i, l := range lives {
		t.class[i].life = l
	}
	return t
}

// Arm (re)starts e in the class from now.
func (t *Timers) Arm(e *Entry, class uint8, now int64) {
	if e.armed {
		t.Disarm(e)
	}
	q := &t.class[class]
	e.class, e.armed, e.deadline = class, true, now+q.life
	e.prev, e.next = q.back, nil
	if q.back == nil {
		q.front = e
	} else {
		q.back.next = e
	}
	q.back = e
}

// Disarm takes e out of its queue, if it is in one.
func (t *Timers) Disarm(e *Entry) {
	if !e.armed {
		return
	}
	q := &t.class[e.class]
	if e.prev == nil {
		q.front = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		q.back = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next, e.armed = nil, nil, false
}

// Next is the earliest deadline, math.MaxInt64 if nothing is armed.
func (t *Timers) Next() int64 {
	next := int64(math.MaxInt64)
	for i := range t.class {
		q := &t.class[i]
		if q.front != nil && q.life > 0 && q.front.deadline < next {
			next = q.front.deadline
		}
	}
	return next
}

// Expired disarms and returns an entry whose deadline has passed, and its
// class; nil if there is none.
func (t *Timers) Expired(now int64) (*Entry, uint8) {
	for i := range t.class {
		q := &t.class[i]
		if q.front != nil && q.life > 0 && q.front.deadline <= now {
			e := q.front
			t.Disarm(e)
			return e, uint8(i)
		}
	}
	return nil, 0
}

// Oldest is the entry that has been in the class longest, nil if none is.
func (t *Timers) Oldest(class uint8) *Entry { return t.class[class].front }

// Shorten gives the class a shorter life, also what is in its queue: nothing
// there lives longer than that from now.
func (t *Timers) Shorten(class uint8, life, now int64) {
	q := &t.class[class]
	if q.life > 0 && q.life <= life {
		return
	}
	q.life = life
	for e := q.front; e != nil; e = e.next {
		e.deadline = min(e.deadline, now+life)
	}
}
