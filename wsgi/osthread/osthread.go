// Package osthread has Go's runtime make the threads of the operating system that it is going
// to need while it can get them. Without, it makes one whenever all it has are busy, and
// ends the process with a dump if the machine refuses that one (RLIMIT_NPROC, a cgroup's
// pids.max), as it may at any time when somebody else's processes have used them up.
package osthread

import (
	"runtime"
	"sync"
)

// Usual is how many threads a master or a worker comes to have after some minutes anyway.
const Usual = 8

// Keep makes the runtime have n threads beside the calling one. It never gives one back, so
// they wait in its list from then on.
func Keep(n int) {
	var all, done sync.WaitGroup
	all.Add(n)
	done.Add(n)
	for range n {
		go func() {
			defer done.Done()
			runtime.LockOSThread() // each waits on a thread of its own
			defer runtime.UnlockOSThread()
			all.Done()
			all.Wait()
		}()
	}
	done.Wait()
}
