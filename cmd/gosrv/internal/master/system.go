package master

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/status"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/memfile"
	"gosrv/wsgi/ipc/workerctl"
)

// system is what the master asks of the operating system. Tests replace it and
// start no process.
type system struct {
	now       func() time.Time
	monotonic func() int64 // CLOCK_MONOTONIC ns, as the scoreboard has it

	// exec starts a zygote with a channel to it.
	exec func() (pid int, ch zygotectl.Channel, err error)
	// pair makes a worker's channel; peer goes to the zygote and is closed.
	pair func() (ch zygotectl.Channel, peer int, err error)
	// library gives the worker as a library, in a file of its own.
	library func() (fd int, err error)
	closeFD func(fd int)
	kill    func(pid int, sig unix.Signal) error
	// hasStacks tells whether askStacks does any good: the process runs Python.
	hasStacks func(pid int) bool
	// askStacks makes a process write its Python stacks to the error log.
	askStacks func(pid int)
	// reap gives one process that has ended, false if there is none.
	reap func() (pid int, status unix.WaitStatus, ok bool)
	// oomKills counts the processes that the kernel has killed for want of
	// memory in the server's cgroup, which is where; false: it cannot be known.
	oomKills func() (kills int, where string, ok bool)
	ppid     func() int
	// replace starts the new master; ready runs in the loop when that serves.
	replace func(sockets []int, systemd bool, ready func()) (pid int, err error)
	// detach starts this server again without a terminal.
	detach  func(keepOutput bool) error
	tell    func(assignments ...string) error // to systemd
	publish func(status.Status) error
	// giveBack returns unused memory to the system.
	giveBack func()
	// bind opens sockets without holding up the loop; done runs in the loop.
	bind func(addrs []listen.Addr, o listen.Options, kept listen.Set, done func(listen.Set, error))
}

// titleRoom is how long the zygote's argv[0] is made, in bytes: room for the
// titles of the zygote and of its workers.
const titleRoom = 400

// launcher starts zygotes.
type launcher struct {
	shim      []byte
	worker    []byte // library for a Python without libpython; nil: it has one
	second    func() (fs.File, error)
	dir       string // where the master was started
	environ   []string
	watch     *zygotectl.Watch
	zygoteEnv []string
}

func newLauncher(o Options, watch *zygotectl.Watch) (*launcher, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("finding the working directory: %w", err)
	}
	return &launcher{
		shim: o.Shim, worker: o.Worker, second: o.Second, dir: dir, environ: os.Environ(), watch: watch,
		// The zygote unsets these before Python starts.
		zygoteEnv: []string{"_GOSRV_ZYGOTE=3,4", "_GOSRV_LIBPYTHON=" + o.Library, "_GOSRV_PYTHON=" + o.Python, "_GOSRV_RELEASE=" + o.Release},
	}, nil
}

// exec runs this binary again in the role of the zygote. syscall.ForkExec and
// not os/exec: the master's loop is the only one that waits for children. It
// also gives the child the descriptor limit back that Go has raised.
func (l *launcher) exec() (int, zygotectl.Channel, error) {
	conn, peer, err := l.pair()
	if err != nil {
		return 0, nil, err
	}
	defer unix.Close(peer)
	shim, err := written(memfile.New, "gosrv-shim", l.shim)
	if err != nil {
		conn.Close()
		return 0, nil, err
	}
	defer unix.Close(shim)
	files := []uintptr{0, 1, 2, uintptr(peer), uintptr(shim)}
	if l.worker != nil {
		worker, err := written(memfile.NewCode, "gosrv-worker", l.worker)
		if err != nil {
			conn.Close()
			return 0, nil, err
		}
		defer unix.Close(worker)
		files = append(files, uintptr(worker))
	}
	name := "gosrv: zygote"
	pid, err := syscall.ForkExec("/proc/self/exe", []string{name + strings.Repeat(" ", titleRoom-len(name))}, &syscall.ProcAttr{
		Dir:   l.dir,
		Env:   append(l.environ[:len(l.environ):len(l.environ)], l.zygoteEnv...),
		Files: files,
	})
	if err != nil {
		conn.Close()
		return 0, nil, fmt.Errorf("starting the zygote: %w", err)
	}
	return pid, conn, nil
}

func (l *launcher) pair() (zygotectl.Channel, int, error) {
	conn, peer, err := workerctl.Pair()
	if err != nil {
		return nil, -1, err
	}
	if err := l.watch.Add(conn.FD()); err != nil {
		conn.Close()
		_ = unix.Close(peer)
		return nil, -1, err
	}
	return conn, peer, nil
}

func (l *launcher) library() (int, error) {
	file, err := l.second()
	if err != nil {
		return -1, errors.New("this gosrv was built without the library that it needs; make builds both")
	}
	defer file.Close()
	fd, err := memfile.NewCode("gosrv-worker")
	if err != nil {
		return -1, err
	}
	// A piece at a time: the master is small, and stays so.
	if _, err := io.CopyBuffer(writer(fd), file, make([]byte, 64<<10)); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("filling memory file: %w", err)
	}
	return fd, nil
}

// writer is a descriptor as an io.Writer.
type writer int

func (w writer) Write(p []byte) (int, error) {
	for {
		n, err := unix.Write(int(w), p)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// written puts data into a memory file that create makes, with its offset at the start.
func written(create func(name string) (int, error), name string, data []byte) (int, error) {
	fd, err := create(name)
	if err != nil {
		return -1, err
	}
	for off := 0; off < len(data); {
		n, err := unix.Pwrite(fd, data[off:], int64(off))
		if err != nil && err != unix.EINTR {
			_ = unix.Close(fd)
			return -1, fmt.Errorf("filling memory file: %w", err)
		}
		off += max(n, 0)
	}
	return fd, nil
}

// reap collects any child, ours or an orphan that init or a subreaper
// inherits. Nobody else in this process waits for children while the loop runs.
func reap() (int, unix.WaitStatus, bool) {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		return pid, status, err == nil && pid > 0
	}
}

// hasStacks tells whether the process has a handler for the signal for stacks: it
// would end without one.
func hasStacks(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(text), "\nSigCgt:")
	line, _, _ := strings.Cut(after, "\n")
	caught, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return err == nil && caught>>(workerctl.StackSignal-1)&1 == 1
}

func askStacks(pid int) { _ = unix.Kill(pid, workerctl.StackSignal) }

func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail for this clock
	return ts.Nano()
}
