package system

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/acme"
	"gosrv/cmd/gosrv/internal/monitor"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/memfile"
	"gosrv/wsgi/ipc/workerctl"
)

// titleRoom is how long the zygote's argv[0] is made, in bytes: room for the
// titles of the zygote and of its workers.
const titleRoom = 400

// Launcher starts zygotes.
type Launcher struct {
	shim      func() ([]byte, error)
	worker    []byte // library for a Python without libpython; nil: it has one
	second    func() (fs.File, error)
	Dir       string // where the master was started
	environ   []string
	watch     *zygotectl.Watch
	zygoteEnv []string
}

// Image is what processes are started from.
type Image struct {
	Python  string // sys.executable
	Library string // libpython to load; "": Python has none and loads Worker
	Release string // version of Python that Library must have, "" if it is not known
	Worker  []byte // the worker as a library, for a Python without libpython
	// Shim gives the Python side, pyshim.Bundle: zygotes are few, and a master need not keep it.
	Shim func() ([]byte, error)
	// Second opens the worker as a library, for a zygote that is a worker's child.
	Second func() (fs.File, error)
}

// NewLauncher makes one for the current directory and environment, which it
// keeps. The channels are added to watch.
func NewLauncher(o Image, watch *zygotectl.Watch) (*Launcher, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("finding the working directory: %w", err)
	}
	return &Launcher{
		shim: o.Shim, worker: o.Worker, second: o.Second, Dir: dir, environ: os.Environ(), watch: watch,
		// The zygote unsets these before Python starts.
		zygoteEnv: []string{"_GOSRV_ZYGOTE=3,4", "_GOSRV_LIBPYTHON=" + o.Library, "_GOSRV_PYTHON=" + o.Python, "_GOSRV_RELEASE=" + o.Release},
	}, nil
}

// exec runs this binary again in the role of the zygote. syscall.ForkExec and
// not os/exec: the master's loop is the only one that waits for children. It
// also gives the child the descriptor limit back that Go has raised.
func (l *Launcher) exec() (int, zygotectl.Channel, error) {
	conn, peer, err := l.pair()
	if err != nil {
		return 0, nil, err
	}
	defer unix.Close(peer)
	bundle, err := l.shim()
	if err != nil {
		conn.Close()
		return 0, nil, err
	}
	shim, err := memfile.Written(memfile.New, "gosrv-shim", bundle)
	if err != nil {
		conn.Close()
		return 0, nil, err
	}
	defer unix.Close(shim)
	files := []uintptr{0, 1, 2, uintptr(peer), uintptr(shim)}
	if l.worker != nil {
		worker, err := memfile.Written(memfile.NewCode, "gosrv-worker", l.worker)
		if err != nil {
			conn.Close()
			return 0, nil, err
		}
		defer unix.Close(worker)
		files = append(files, uintptr(worker))
	}
	name := "gosrv: zygote"
	pid, err := syscall.ForkExec("/proc/self/exe", []string{name + strings.Repeat(" ", titleRoom-len(name))}, &syscall.ProcAttr{
		Dir:   l.Dir,
		Env:   append(l.environ[:len(l.environ):len(l.environ)], l.zygoteEnv...),
		Files: files,
	})
	if err != nil {
		conn.Close()
		return 0, nil, fmt.Errorf("starting the zygote: %w", err)
	}
	return pid, conn, nil
}

func (l *Launcher) issuer(order acme.Order, socket, file int, say func(acme.News)) (*monitor.Process, error) {
	return acme.Start(l.environ, order, socket, file, say)
}

func (l *Launcher) monitor(order monitor.Order, socket int) (*monitor.Process, error) {
	return monitor.Start(l.environ, order, socket)
}

func (l *Launcher) pair() (zygotectl.Channel, int, error) {
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

func (l *Launcher) library() (int, error) {
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
	if _, err := io.CopyBuffer(memfile.Writer(fd), file, make([]byte, 64<<10)); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("filling memory file: %w", err)
	}
	return fd, nil
}
