package measure

// unseen is how long, in ns, the loop may not have looked for events before
// what it finds is asked when it came: the answer costs a system call.
const unseen = 2_000_000

// Polls is when the loop looked for events, CLOCK_MONOTONIC ns.
type Polls struct {
	before int64 // the look before the last one
	last   int64
	found  bool // the last one found events at once: they may be as old as before
}

// Found notes that a look has found so many events at once, and tells whether there are any.
func (p *Polls) Found(n int) bool {
	p.found = n > 0
	return p.found
}

// Note notes when the look was over, and gives that.
func (p *Polls) Note(now int64) int64 {
	p.before, p.last = p.last, now
	return now
}

// Since is when what can be read now has come; last: when the connection's bytes
// before these did. A loop that was inside the application for long asks the kernel, by
// received: how many ns ago the last bytes came, to the millisecond, if that is known.
// It asks once for what one look has found: a body comes in several reads.
func (p *Polls) Since(last int64, received func() (ago int64, known bool)) int64 {
	if !p.found || p.last-p.before < unseen {
		return p.last
	}
	if last > p.before {
		return last
	}
	ago, known := received()
	if !known {
		return p.last
	}
	return min(max(p.last-ago, p.before), p.last)
}
