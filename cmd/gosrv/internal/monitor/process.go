package monitor

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Process is a running gosrv-monitor, a child of this process.
type Process struct {
	PID  int
	life *os.File // what ends with this process, too
}

// Start runs this binary again as the monitor on a listening socket, with the
// environment that the master was started with.
func Start(environ []string, order Order, socket int) (*Process, error) {
	variable, err := order.Environ()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	defer r.Close()
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"gosrv: monitor"}, &syscall.ProcAttr{
		Dir: "/", Env: append(environ[:len(environ):len(environ)], variable),
		Files: []uintptr{0: 0, 1: 1, 2: 2, SocketFD: uintptr(socket), LifeFD: r.Fd()},
	})
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("starting the monitor: %w", err)
	}
	return &Process{PID: pid, life: w}, nil
}

// Let ends it; it is reaped as any child.
func (p *Process) Let() {
	_ = p.life.Close()
	_ = unix.Kill(p.PID, unix.SIGKILL)
}
