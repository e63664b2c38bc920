package body

import "time"

// MinRate is the window over which a transfer must make 500 bytes a second on
// the average, as long as its time-out: a peer that sends or takes a byte now and
// then would else hold its place for ever.
type MinRate struct{ since, done int64 }

const minRate = 500

// Start begins a window at the moment now, CLOCK_MONOTONIC ns, with so many
// bytes done.
func (m *MinRate) Start(now, done int64) { m.since, m.done = now, done }

// TooSlow tells whether a window has come to its end and was too slow. After one
// that was not the next begins.
func (m *MinRate) TooSlow(now, done int64, window time.Duration) bool {
	took := time.Duration(now - m.since)
	if took < window {
		return false
	}
	if TooFew(done-m.done, took) {
		return true
	}
	m.Start(now, done)
	return false
}

// TooFew tells whether bytes are less than the least rate makes in that time.
func TooFew(bytes int64, took time.Duration) bool {
	return float64(bytes) < minRate*took.Seconds()
}
