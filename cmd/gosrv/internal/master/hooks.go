package master

import (
	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/cmd/gosrv/internal/zygotectl"
)

// newest is the generation whose config file was loaded last: server hooks run
// there.
func (m *Master) newest() *generation {
	if m.next != nil && m.next.up() {
		return m.next
	}
	return m.current
}

// hook runs a server hook if the config file has it. It tells whether the hook
// was ordered.
func (m *Master) hook(name string, args ...any) bool {
	g := m.newest()
	if g.plan == nil || !g.up() {
		return false
	}
	if _, has := g.plan.Hooks[name]; !has {
		return false
	}
	if args == nil {
		args = []any{}
	}
	m.tell(g.zygote, zygotectl.RunHook{Name: name, Args: args, Workers: g.workers})
	return true
}

// hookThen runs a hook and goes on after it; at once if there is none.
func (m *Master) hookThen(name string, then func(failed bool)) {
	if !m.hook(name) {
		then(false)
		return
	}
	m.hookWaited, m.afterHook = name, then
}

// hookDone goes on with what waited for the hook. The shim has logged the
// traceback of one that raised.
func (m *Master) hookDone(g *generation, msg zygotectl.HookDone) {
	if msg.Keeps && g.zygote != nil {
		g.zygote.Keeps = true
	}
	if msg.Name != m.hookWaited {
		return
	}
	then := m.afterHook
	m.hookWaited, m.afterHook = "", nil
	then(msg.Error != "")
}

// tellWorkers tells a zygote which workers there are, for server.WORKERS.
func (m *Master) tellWorkers(g *generation) {
	for _, c := range m.table.List {
		if c.PID != 0 {
			m.tell(g.zygote, zygotectl.WorkerStarted{Nr: c.Nr, Age: c.Age, PID: c.PID})
		}
	}
}

// workerKnown tells all zygotes that may run hooks about a new worker.
func (m *Master) workerKnown(c *workers.Worker) {
	for _, g := range []*generation{m.current, m.next} {
		if g != nil && g.up() {
			m.tell(g.zygote, zygotectl.WorkerStarted{Nr: c.Nr, Age: c.Age, PID: c.PID})
		}
	}
}

// workerGone takes a worker out of their tables; the newest runs child_exit.
func (m *Master) workerGone(c *workers.Worker) {
	newest := m.newest()
	for _, g := range []*generation{m.current, m.next} {
		if g != nil && g.up() {
			_, has := g.plan.Hooks["child_exit"]
			m.tell(g.zygote, zygotectl.WorkerEnded{Nr: c.Nr, Age: c.Age, PID: c.PID, Hook: has && g == newest})
		}
	}
}

// retainedDied handles the death of a zygote that stayed for its hooks' sake.
func (m *Master) retainedDied(pid int, status unix.WaitStatus) bool {
	z := m.retained.Take(pid)
	if z == nil {
		return false
	}
	m.log.Warningf("Zygote (pid:%d), kept for what its hooks had started, %s", pid, describe(status))
	_ = z.Channel.Close()
	return true
}
