package workers

import "time"

// Bounds of the pause between attempts at something that keeps failing.
const (
	FirstPause = 100 * time.Millisecond
	LongPause  = 5 * time.Second
)

// Backoff spaces attempts: the pause doubles from FirstPause to LongPause.
type Backoff struct {
	Free  int // failures that cost no pause
	Fails int
	Last  time.Time // of the last failure
	Until time.Time
}

// Fail counts a failure and gives the pause that follows, 0 if there is none.
// Failures during a pause belong to the same attempt and do not lengthen it.
func (b *Backoff) Fail(now time.Time) time.Duration {
	b.Last = now
	if now.Before(b.Until) {
		return 0
	}
	b.Fails++
	n := b.Fails - b.Free
	if n <= 0 {
		return 0
	}
	pause := LongPause
	if n < 7 {
		pause = min(FirstPause<<(n-1), LongPause)
	}
	b.Until = now.Add(pause)
	return pause
}

// Reset forgets all failures.
func (b *Backoff) Reset() { b.Fails, b.Until = 0, time.Time{} }

// Open tells whether an attempt may be made.
func (b *Backoff) Open(now time.Time) bool { return !now.Before(b.Until) }
