package master

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/exits"
	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/cmd/gosrv/internal/status"
	"gosrv/cmd/gosrv/internal/systemd"
	"gosrv/cmd/gosrv/internal/upgrade"
)

// An upgrade puts a new master beside this one, with the same sockets:
//
//	begin          USR2: pre_exec, then the new master is started
//	ready          its workers serve; systemd gets its process id
//	successorDied  it has ended: this one never stopped serving
//
// Nothing else happens by itself, as with Gunicorn: TERM to this master makes
// the new one the only one (promote, over there), TERM to the new one, and HUP
// to this one if its workers were sent to rest, goes back.

// successor is the master that was started to replace this one.
type successor struct {
	pid   int // 0 while pre_exec runs
	ready bool
}

// upgrades is how the upgrades went, for the status.
type upgrades struct {
	begun int
	state string // of the last one
	pid   int
	err   string
}

// succession is which masters there are, and how this one is called among them.
type succession struct {
	*server
	m         *Master
	parent    int        // the master this one is to replace, while that lives
	successor *successor // the master that is to replace this one, while it lives
	history   upgrades
	pidfile   string // "" until written
}

// alone tells whether no other master serves on the same sockets.
func (u *succession) alone() bool {
	return u.parent == 0 && (u.successor == nil || u.successor.pid == 0)
}

// name is how log lines call this master.
func (u *succession) name() string {
	if u.parent != 0 {
		return "Master.2"
	}
	return "Master"
}

func (u *succession) showTitle() {
	if u.opt.Title == nil {
		return
	}
	name := u.gens.Current.Plan.Title
	if u.parent != 0 {
		name += ".2"
	}
	u.opt.Title(fmt.Sprintf("gosrv: master [%s]", name))
}

// pidfilePath is the file that names this master: beside the old master's file
// until that one has gone.
func (u *succession) pidfilePath(p *plan.Plan) string {
	if p.Own.Pidfile == "" || u.parent == 0 {
		return p.Own.Pidfile
	}
	return p.Own.Pidfile + ".2"
}

// begin obeys USR2.
func (u *succession) begin() {
	switch {
	case u.phase != serving:
		u.log.Warningf("USR2 signal ignored. Not serving.")
		return
	case u.successor != nil:
		u.log.Warningf("USR2 signal ignored. Child exists.")
		return
	case u.parent != 0:
		u.log.Warningf("USR2 signal ignored. Parent exists.")
		return
	}
	begun := &successor{}
	u.successor = begun
	u.history = upgrades{begun: u.history.begun + 1, state: status.UpgradeStarted}
	u.m.hooks.then("pre_exec", func(failed bool) {
		if failed {
			u.fail("the hook pre_exec raised")
			return
		}
		pid, err := u.sys.Replace(u.socketFDs(), u.opt.Activated != nil, func() { u.ready(begun) })
		if err != nil {
			u.fail(err.Error())
			return
		}
		begun.pid, u.history.pid = pid, pid
		u.log.Infof("Started a new master (pid:%d)", pid)
	})
}

// socketFDs gives what a new master inherits.
func (u *succession) socketFDs() []int {
	var fds []int
	for _, s := range u.gens.Current.Sockets {
		fds = append(fds, s.FD)
	}
	return append(fds, u.m.ports.Share()...)
}

// replaceApart starts the new master and waits on another goroutine for its
// word. A master that knows no such word (Gunicorn) is never ready.
func (u *succession) replaceApart(sockets []int, systemd bool, ready func()) (int, error) {
	tickets := u.shared.Tickets.Save()
	if tickets >= 0 {
		defer u.sys.CloseFD(tickets)
	}
	pid, word, err := u.opt.Start.Execute(sockets, upgrade.Handed{Tickets: tickets, Metrics: u.m.beside.Monitor.Share(), Plain: u.m.beside.Issuer.Share()}, systemd)
	if err != nil {
		return 0, err
	}
	go func() {
		defer word.Close()
		var b [1]byte
		if n, _ := word.Read(b[:]); n == 1 {
			u.m.calls <- ready
		}
	}()
	return pid, nil
}

func (u *succession) ready(s *successor) {
	if u.successor != s {
		return // it was reaped before its word was read
	}
	s.ready = true
	u.history.state = status.UpgradeReady
	u.log.Infof("The new master (pid:%d) serves; TERM to this one (pid:%d) completes the upgrade", s.pid, u.pid)
	u.m.announce.tell(systemd.MainPID(s.pid))
}

// fail says that there is no new master.
func (u *succession) fail(reason string) {
	ready := u.successor.ready
	u.successor = nil
	u.history.state, u.history.err = status.UpgradeFailed, reason
	u.log.Errorf("Upgrade failed: %s; this master (pid:%d) serves on", reason, u.pid)
	if ready {
		u.m.announce.tell(systemd.MainPID(u.pid))
	}
}

// successorDied handles the death of the new master.
func (u *succession) successorDied(pid int, status unix.WaitStatus) bool {
	if u.successor == nil || u.successor.pid != pid {
		return false
	}
	u.fail(fmt.Sprintf("the new master (pid:%d) %s", pid, exits.Describe(status)))
	return true
}

// promote makes this master the only one when the one before it has gone, which
// a change of parent tells.
func (u *succession) promote() {
	if u.parent == 0 || u.sys.ParentPID() == u.parent {
		return
	}
	u.parent = 0
	u.log.Infof("Master has been promoted.")
	if u.pidfile == "" && u.phase == starting || u.phase == stopping {
		return // nothing was announced yet, or no longer matters
	}
	u.movePidfile(u.pidfilePath(u.gens.Current.Plan))
	u.showTitle()
	u.m.announce.serving()
}

// sayReady tells the master that started this one that it can go.
func (u *succession) sayReady() {
	if fd := u.opt.Origin.Ready; fd != 0 {
		u.opt.Origin.Ready = 0
		word := os.NewFile(uintptr(fd), "ready")
		_, _ = word.Write([]byte{'R'}) // if the reader has gone, so has the need
		_ = word.Close()
	}
}

// leavesTerminal tells whether the daemon setting is still to be obeyed. A
// master started by another one is where that one was, as with Gunicorn.
func (fs *firstStart) leavesTerminal(p *plan.Plan) bool {
	return p.Own.Daemon && !p.CheckOnly() && !fs.opt.Detached && fs.m.upgrade.parent == 0
}

// detach starts the server again without a terminal and ends this process.
func (fs *firstStart) detach(p *plan.Plan) {
	if fs.opt.Manager.Wanted() {
		fmt.Fprintln(os.Stderr, "Warning: you shouldn't specify `daemon = True` when launching by systemd with `Type = notify`")
	}
	if err := fs.sys.Detach(p.Own.KeepStdio); err != nil {
		fmt.Fprintf(os.Stderr, "\nError: %v\n", err)
		fs.abandon(1)
		return
	}
	fs.abandon(0)
}
