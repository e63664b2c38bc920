package wsgi

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"
)

// runner is a thread of this process as the scheduler sees it.
type runner struct {
	stat  int   // its file in /proc, -1: not to be had
	clock int32 // of its processor time
	used  int64 // ns of that, at the last look
}

// newRunner looks at the calling thread. The descriptor is the caller's.
func newRunner() runner {
	tid := unix.Gettid()
	fd, err := unix.Open(fmt.Sprintf("/proc/self/task/%d/stat", tid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		fd = -1
	}
	const perThread, scheduler = 4, 2 // CPUCLOCK_PERTHREAD_MASK, CPUCLOCK_SCHED
	return runner{stat: fd, clock: int32(^tid<<3 | perThread | scheduler)}
}

// ran is how long, in ns, the thread had a processor since the last look.
func (r *runner) ran() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(r.clock, &ts)
	was := r.used
	r.used = ts.Nano()
	return r.used - was
}

// runnable tells whether the thread runs or waits for a processor, as against
// for something else (proc_pid_stat(5), state).
func (r *runner) runnable() bool {
	var buf [256]byte
	n, err := unix.Pread(r.stat, buf[:], 0)
	if err != nil {
		return false
	}
	name := bytes.LastIndexByte(buf[:n], ')')
	return name >= 0 && name+2 < n && buf[name+2] == 'R'
}
