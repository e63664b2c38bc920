package lead

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"
)

// MainThread is the main thread of a Backup as the kernel's scheduler sees it.
type MainThread struct {
	stat  int   // its file in /proc, -1: not to be had
	clock int32 // of its processor time
	used  int64 // ns of that, at the last look
}

// NewMainThread looks at the calling thread. The descriptor is the caller's.
func NewMainThread() MainThread {
	tid := unix.Gettid()
	fd, err := unix.Open(fmt.Sprintf("/proc/self/task/%d/stat", tid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		fd = -1
	}
	const perThread, scheduler = 4, 2 // CPUCLOCK_PERTHREAD_MASK, CPUCLOCK_SCHED
	return MainThread{stat: fd, clock: int32(^tid<<3 | perThread | scheduler)}
}

// Ran is how long, in ns, the thread had a processor since the last look.
func (r *MainThread) Ran() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(r.clock, &ts)
	was := r.used
	r.used = ts.Nano()
	return r.used - was
}

// Runnable tells whether the thread runs or waits for a processor, as against
// for something else (proc_pid_stat(5), state).
func (r *MainThread) Runnable() bool {
	var buf [256]byte
	n, err := unix.Pread(r.stat, buf[:], 0)
	if err != nil {
		return false
	}
	name := bytes.LastIndexByte(buf[:n], ')')
	return name >= 0 && name+2 < n && buf[name+2] == 'R'
}

// FD is the file that Runnable looks at, -1: there is none. The caller owns it.
func (r *MainThread) FD() int { return r.stat }
