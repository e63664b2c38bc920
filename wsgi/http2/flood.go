package http2

// What a peer may do that costs work and brings no request. The figures of the first two are
// Gunicorn's; a client that cancels and asks as people do comes nowhere near.
const (
	resetBurst   = 200  // streams reset, by either side, at once; a tenth of it a second
	restlessMost = 1000 // PING, SETTINGS, PRIORITY, empty DATA, small WINDOW_UPDATE, unknown frames: likewise
	served       = 4    // of restlessMost are forgiven for a request that is answered
	smallCredit  = 1024 // bytes: a WINDOW_UPDATE of less is counted
	mostFrames   = 16   // CONTINUATION frames of a header block
)

// bucket is so many acts: each takes one out, and a tenth of what it holds at most comes back a second.
type bucket struct {
	left, most float64
	at         int64 // CLOCK_MONOTONIC ns of the last act
}

// take counts an act; false: there have been too many.
func (b *bucket) take(now int64) bool {
	b.left = min(b.most, b.left+float64(now-b.at)/1e9*b.most/10)
	b.at = now
	b.left--
	return b.left >= 0
}

// give takes n acts back.
func (b *bucket) give(n float64) { b.left = min(b.most, b.left+n) }

// floods are a session's two buckets.
type floods struct {
	resets, restless bucket
}

func newFloods(now int64) floods {
	full := func(n float64) bucket { return bucket{left: n, most: n, at: now} }
	return floods{full(resetBurst), full(restlessMost)}
}

// countReset counts a stream that was reset by the peer (CVE-2023-44487), or because of what it sent
// (CVE-2025-8671).
func (s *Session) countReset() {
	if !s.floods.resets.take(s.now) {
		s.Fail(EnhanceCalm)
	}
}

// countRestless counts a frame that costs work and brings nothing.
func (s *Session) countRestless() {
	if !s.floods.restless.take(s.now) {
		s.Fail(EnhanceCalm)
	}
}
