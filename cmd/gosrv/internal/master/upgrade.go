package master

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/cmd/gosrv/internal/status"
	"gosrv/cmd/gosrv/internal/systemd"
)

// An upgrade puts a new master beside this one, with the same sockets:
//
//	beginUpgrade   USR2: pre_exec, then the new master is started
//	upgradeReady   its workers serve; systemd gets its process id
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

// alone tells whether no other master serves on the same sockets.
func (m *Master) alone() bool {
	return m.parent == 0 && (m.successor == nil || m.successor.pid == 0)
}

// name is how log lines call this master.
func (m *Master) name() string {
	if m.parent != 0 {
		return "Master.2"
	}
	return "Master"
}

func (m *Master) showTitle() {
	if m.opt.Title == nil {
		return
	}
	name := m.gens.Current.Plan.Title
	if m.parent != 0 {
		name += ".2"
	}
	m.opt.Title(fmt.Sprintf("gosrv: master [%s]", name))
}

// pidfilePath is the file that names this master: beside the old master's file
// until that one has gone.
func (m *Master) pidfilePath(p *plan.Plan) string {
	if p.Own.Pidfile == "" || m.parent == 0 {
		return p.Own.Pidfile
	}
	return p.Own.Pidfile + ".2"
}

// beginUpgrade obeys USR2.
func (m *Master) beginUpgrade() {
	switch {
	case m.phase != serving:
		m.log.Warningf("USR2 signal ignored. Not serving.")
		return
	case m.successor != nil:
		m.log.Warningf("USR2 signal ignored. Child exists.")
		return
	case m.parent != 0:
		m.log.Warningf("USR2 signal ignored. Parent exists.")
		return
	}
	begun := &successor{}
	m.successor = begun
	m.upgrades = upgrades{begun: m.upgrades.begun + 1, state: status.UpgradeStarted}
	m.hookThen("pre_exec", func(failed bool) {
		if failed {
			m.failUpgrade("the hook pre_exec raised")
			return
		}
		pid, err := m.sys.Replace(m.socketFDs(), m.opt.Activated != nil, func() { m.upgradeReady(begun) })
		if err != nil {
			m.failUpgrade(err.Error())
			return
		}
		begun.pid, m.upgrades.pid = pid, pid
		m.log.Infof("Started a new master (pid:%d)", pid)
	})
}

// socketFDs gives what a new master inherits.
func (m *Master) socketFDs() []int {
	var fds []int
	for _, s := range m.gens.Current.Sockets {
		fds = append(fds, s.FD)
	}
	for _, l := range m.lanes {
		if l.shared = l.ends.IsZero() && l.socket.Listens(); l.shared {
			fds = append(fds, l.socket.FD)
		}
	}
	return fds
}

// replaceApart starts the new master and waits on another goroutine for its
// word. A master that knows no such word (Gunicorn) is never ready.
func (m *Master) replaceApart(sockets []int, systemd bool, ready func()) (int, error) {
	pid, word, err := m.opt.Start.Execute(sockets, systemd)
	if err != nil {
		return 0, err
	}
	go func() {
		defer word.Close()
		var b [1]byte
		if n, _ := word.Read(b[:]); n == 1 {
			m.calls <- ready
		}
	}()
	return pid, nil
}

func (m *Master) upgradeReady(s *successor) {
	if m.successor != s {
		return // it was reaped before its word was read
	}
	s.ready = true
	m.upgrades.state = status.UpgradeReady
	m.log.Infof("The new master (pid:%d) serves; TERM to this one (pid:%d) completes the upgrade", s.pid, m.pid)
	m.tellManager(systemd.MainPID(s.pid))
}

// failUpgrade says that there is no new master.
func (m *Master) failUpgrade(reason string) {
	ready := m.successor.ready
	m.successor = nil
	m.upgrades.state, m.upgrades.err = status.UpgradeFailed, reason
	m.log.Errorf("Upgrade failed: %s; this master (pid:%d) serves on", reason, m.pid)
	if ready {
		m.tellManager(systemd.MainPID(m.pid))
	}
}

// successorDied handles the death of the new master.
func (m *Master) successorDied(pid int, status unix.WaitStatus) bool {
	if m.successor == nil || m.successor.pid != pid {
		return false
	}
	m.failUpgrade(fmt.Sprintf("the new master (pid:%d) %s", pid, describe(status)))
	return true
}

// promote makes this master the only one when the one before it has gone, which
// a change of parent tells.
func (m *Master) promote() {
	if m.parent == 0 || m.sys.ParentPID() == m.parent {
		return
	}
	m.parent = 0
	m.log.Infof("Master has been promoted.")
	if m.pidfile == "" && m.phase == starting || m.phase == stopping {
		return // nothing was announced yet, or no longer matters
	}
	m.movePidfile(m.pidfilePath(m.gens.Current.Plan))
	m.showTitle()
	m.announceServing()
}

// sayReady tells the master that started this one that it can go.
func (m *Master) sayReady() {
	if fd := m.opt.Origin.Ready; fd != 0 {
		m.opt.Origin.Ready = 0
		word := os.NewFile(uintptr(fd), "ready")
		_, _ = word.Write([]byte{'R'}) // if the reader has gone, so has the need
		_ = word.Close()
	}
}

// leavesTerminal tells whether the daemon setting is still to be obeyed. A
// master started by another one is where that one was, as with Gunicorn.
func (m *Master) leavesTerminal(p *plan.Plan) bool {
	return p.Own.Daemon && !p.CheckOnly() && !m.opt.Detached && m.parent == 0
}

// detach starts the server again without a terminal and ends this process.
func (m *Master) detach(p *plan.Plan) {
	if m.opt.Manager.Wanted() {
		fmt.Fprintln(os.Stderr, "Warning: you shouldn't specify `daemon = True` when launching by systemd with `Type = notify`")
	}
	if err := m.sys.Detach(p.Own.KeepStdio); err != nil {
		fmt.Fprintf(os.Stderr, "\nError: %v\n", err)
		m.abandonStart(1)
		return
	}
	m.abandonStart(0)
}
