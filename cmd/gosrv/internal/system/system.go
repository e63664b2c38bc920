// Package system is what the master asks of the operating system: to start
// zygotes, to make channels, to end and to reap processes, to write down stacks,
// to take memory back. The master's tests have another one, without processes.
package system

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/acme"
	"gosrv/cmd/gosrv/internal/cgroup"
	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/monitor"
	"gosrv/cmd/gosrv/internal/status"
	"gosrv/cmd/gosrv/internal/zygotectl"
)

// System is what the master asks of the operating system. Tests replace it and
// start no process.
type System struct {
	Now       func() time.Time
	Monotonic func() int64 // CLOCK_MONOTONIC ns, as the scoreboard has it

	// Exec starts a zygote with a channel to it.
	Exec func() (pid int, ch zygotectl.Channel, err error)
	// Pair makes a worker's channel; peer goes to the zygote and is closed.
	Pair func() (ch zygotectl.Channel, peer int, err error)
	// Library gives the worker as a library, in a file of its own.
	Library func() (fd int, err error)
	CloseFD func(fd int)
	Kill    func(pid int, sig unix.Signal) error
	// HasStacks tells whether AskStacks does any good: the process runs Python.
	HasStacks func(pid int) bool
	// AskStacks makes a process write its Python stacks to the error log.
	AskStacks func(pid int)
	// Reap gives one process that has ended, false if there is none.
	Reap func() (pid int, status unix.WaitStatus, ok bool)
	// OOMKills counts the processes that the kernel has killed for want of
	// memory in the server's cgroup, which is where; false: it cannot be known.
	OOMKills  func() (kills int, where string, ok bool)
	ParentPID func() int
	// Replace starts the new master; ready runs in the loop when that serves.
	Replace func(sockets []int, systemd bool, ready func()) (pid int, err error)
	// Detach starts this server again without a terminal.
	Detach  func(keepOutput bool) error
	Tell    func(assignments ...string) error // to systemd
	Publish func(status.Status) error
	// GiveBack returns unused memory to the system.
	GiveBack func()
	// Monitor starts what shows how the server is, on a listening socket.
	Monitor func(order monitor.Order, socket int) (*monitor.Process, error)
	// Issuer starts what gets certificates (acme.Start).
	Issuer func(order acme.Order, socket, file int, say func(acme.News)) (*monitor.Process, error)
	// Bind opens sockets without holding up the loop; done runs in the loop.
	Bind func(addrs []listen.Addr, o listen.Options, kept listen.Set, done func(listen.Set, error))
}

// New gives the real one. What concerns the master's own goroutine or others
// beside it, Bind, Replace, Detach, Tell and Publish, its owner adds.
func New(l *Launcher) System {
	return System{
		Now: time.Now, Monotonic: monotonic, Exec: l.exec, Pair: l.pair, Library: l.library,
		CloseFD: func(fd int) { _ = unix.Close(fd) }, Kill: unix.Kill, HasStacks: hasStacks, AskStacks: askStacks, Reap: reap, Monitor: l.monitor, Issuer: l.issuer,
		OOMKills: cgroup.Find("/proc/self/cgroup", "/sys/fs/cgroup").Kills, ParentPID: os.Getppid, GiveBack: giveBack,
	}
}
