package master

import "time"

// Bounds of the pause between attempts at something that keeps failing.
const (
	firstPause = 100 * time.Millisecond
	longPause  = 5 * time.Second
)

// backoff spaces attempts: the pause doubles from firstPause to longPause.
type backoff struct {
	free  int // failures that cost no pause
	fails int
	last  time.Time // of the last failure
	until time.Time
}

// fail counts a failure and gives the pause that follows, 0 if there is none.
// Failures during a pause belong to the same attempt and do not lengthen it.
func (b *backoff) fail(now time.Time) time.Duration {
	b.last = now
	if now.Before(b.until) {
		return 0
	}
	b.fails++
	n := b.fails - b.free
	if n <= 0 {
		return 0
	}
	pause := longPause
	if n < 7 {
		pause = min(firstPause<<(n-1), longPause)
	}
	b.until = now.Add(pause)
	return pause
}

// reset forgets all failures.
func (b *backoff) reset() { b.fails, b.until = 0, time.Time{} }

// open tells whether an attempt may be made.
func (b *backoff) open(now time.Time) bool { return !now.Before(b.until) }
