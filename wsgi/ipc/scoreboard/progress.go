package scoreboard

// Progress moves the start of the running request from one time to another
// (CLOCK_MONOTONIC ns): it has shown that it is not stuck. false: another
// request runs by now, or none. Any thread of the worker may call it, since one
// word is exchanged that belongs to the same request before and after.
func (s *Slot) Progress(from, to int64) bool { return s.w.start.CompareAndSwap(from, to) }
