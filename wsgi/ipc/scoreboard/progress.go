package scoreboard

// Waive says that the request that runs, the only one of its worker, may take as
// long as it likes. Any thread of the worker may call it: AddRequest is not
// called meanwhile.
func (s *Slot) Waive() { s.w.waived.Store(s.w.requests.Load()) }

// Progress moves the start of the running request from one time to another
// (CLOCK_MONOTONIC ns): it has shown that it is not stuck. false: another
// request runs by now, or none. Any thread of the worker may call it, since one
// word is exchanged that belongs to the same request before and after.
func (s *Slot) Progress(from, to int64) bool { return s.w.start.CompareAndSwap(from, to) }

// Restart moves the start of the running request forward to a time (CLOCK_MONOTONIC
// ns), if one runs that began before it. Any thread of the worker may call it.
func (s *Slot) Restart(to int64) {
	for {
		from := s.w.start.Load()
		if from == 0 || from >= to || s.w.start.CompareAndSwap(from, to) {
			return
		}
	}
}
