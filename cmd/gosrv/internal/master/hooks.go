package master

import (
	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/cmd/gosrv/internal/zygotectl"
)

// hook runs a server hook if the config file has it. It tells whether the hook
// was ordered.
func (m *Master) hook(name string, args ...any) bool {
	g := m.gens.Newest()
	if g.Plan == nil || !g.Up() {
		return false
	}
	if _, has := g.Plan.Hooks[name]; !has {
		return false
	}
	if args == nil {
		args = []any{}
	}
	m.tell(g.Zygote, zygotectl.RunHook{Name: name, Args: args, Workers: g.Workers})
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
func (m *Master) hookDone(g *generation.Generation, msg zygotectl.HookDone) {
	if msg.Keeps && g.Zygote != nil {
		g.Zygote.Keeps = true
	}
	if msg.Name != m.hookWaited {
		return
	}
	then := m.afterHook
	m.hookWaited, m.afterHook = "", nil
	then(msg.Error != "")
}

// tellWorkers tells a zygote which workers there are, for server.WORKERS.
func (m *Master) tellWorkers(g *generation.Generation) {
	for _, c := range m.table.List {
		if c.PID != 0 {
			m.tell(g.Zygote, zygotectl.WorkerStarted{Nr: c.Nr, Age: c.Age, PID: c.PID})
		}
	}
}

// workerKnown tells all zygotes that may run hooks about a new worker.
func (m *Master) workerKnown(c *workers.Worker) {
	for _, g := range m.gens.All() {
		if g.Up() {
			m.tell(g.Zygote, zygotectl.WorkerStarted{Nr: c.Nr, Age: c.Age, PID: c.PID})
		}
	}
}

// workerGone takes a worker out of their tables; the newest runs child_exit.
func (m *Master) workerGone(c *workers.Worker) {
	newest := m.gens.Newest()
	for _, g := range m.gens.All() {
		if g.Up() {
			_, has := g.Plan.Hooks["child_exit"]
			m.tell(g.Zygote, zygotectl.WorkerEnded{Nr: c.Nr, Age: c.Age, PID: c.PID, Hook: has && g == newest})
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
