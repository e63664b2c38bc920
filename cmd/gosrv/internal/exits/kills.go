package exits

import (
	"fmt"
	"time"
)

// killsMemory is how long after the counter has moved a death is put down to it:
// the kernel counts before the process is gone.
const killsMemory = 2 * time.Second

// kills is what is known of the kernel's counter of processes killed for want of
// memory, in the server's cgroup.
type kills struct {
	count       func() (kills int, where string, ok bool)
	known       bool      // it was read before
	seen        int       // last value read
	unexplained int       // kills that no death of a worker explains yet
	moved       time.Time // when the counter has last risen
}

// look reads the counter: what it rises while nobody of ours dies was somebody
// else in the cgroup.
func (k *kills) look(now time.Time) (n int, where string, ok bool) {
	n, where, ok = k.count()
	if now.Sub(k.moved) > killsMemory {
		k.unexplained = 0
	}
	if ok && !k.known {
		k.known, k.seen = true, n
	}
	if ok && n > k.seen {
		k.unexplained += n - k.seen
		k.seen, k.moved = n, now
	}
	return n, where, ok
}

// why says what is known of a SIGKILL that was not ours.
func (k *kills) why(now time.Time) string {
	n, where, ok := k.look(now)
	if !ok || k.unexplained == 0 {
		return "Perhaps out of memory?"
	}
	k.unexplained--
	return fmt.Sprintf("Out of memory: killed by the kernel (cgroup %s: oom_kill %d -> %d).", where, n-1-k.unexplained, n-k.unexplained)
}
