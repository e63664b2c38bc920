package monitor

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Process is a running gosrv-monitor, whatever it does, a child of this process.
type Process struct {
	PID  int
	life *os.File // what ends with this process, too
}

// Start runs this binary again as the monitor on a listening socket, with the
// environment that the master was started with.
func Start(environ []string, order Order, socket int) (*Process, error) {
	set, err := variable.Set(order)
	if err != nil {
		return nil, err
	}
	return Run("gosrv: monitor", append(environ[:len(environ):len(environ)], set), socket)
}

// Run starts this binary as the other program, with its order in the environment. It gets
// socket as SocketFD, if that is not -1, its master's life as LifeFD, and more behind
// them. It reads nothing from the terminal, and writes to its standard error only.
func Run(title string, environ []string, socket int, more ...int) (*Process, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	defer r.Close()
	files := []uintptr{0: null.Fd(), 1: null.Fd(), 2: 2, SocketFD: null.Fd(), LifeFD: r.Fd()}
	if socket >= 0 {
		files[SocketFD] = uintptr(socket)
	}
	for _, fd := range more {
		files = append(files, uintptr(fd))
	}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{title}, &syscall.ProcAttr{Dir: "/", Env: environ, Files: files})
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("starting %s: %w", title, err)
	}
	return &Process{PID: pid, life: w}, nil
}

// Let ends it; it is reaped as any child.
func (p *Process) Let() {
	_ = p.life.Close()
	_ = unix.Kill(p.PID, unix.SIGKILL)
}
