package master

import (
	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/cmd/gosrv/internal/zygotectl"
)

// hooks are those that the master orders.
type hooks struct {
	*server
	m      *Master
	waited string            // the loop goes on after this one
	after  func(failed bool) // what it does then
}

// order runs a server hook if the config file has it. It tells whether the hook
// was ordered.
func (h *hooks) order(name string, args ...any) bool {
	g := h.gens.Newest()
	if g.Plan == nil || !g.Up() {
		return false
	}
	if _, has := g.Plan.Hooks[name]; !has {
		return false
	}
	if args == nil {
		args = []any{}
	}
	h.m.zygotes.tell(g.Zygote, zygotectl.RunHook{Name: name, Args: args, Workers: g.Workers}, lent(g, g.Sockets)...)
	return true
}

// lent are the sockets that go to the zygote with an order to run hooks, which
// may look at them: duplicates, that end with the hook. None where there are no
// hooks.
func lent(g *generation.Generation, sockets listen.Set) (fds []int) {
	if g.Plan.About == nil {
		return nil
	}
	for _, s := range sockets {
		fds = append(fds, s.FD)
	}
	return fds
}

// then runs a hook and goes on after it; at once if there is none.
func (h *hooks) then(name string, then func(failed bool)) {
	if !h.order(name) {
		then(false)
		return
	}
	h.waited, h.after = name, then
}

// done goes on with what waited for the hook. The shim has logged the
// traceback of one that raised.
func (h *hooks) done(g *generation.Generation, msg zygotectl.HookDone) {
	if msg.Keeps && g.Zygote != nil {
		g.Zygote.Keeps = true
	}
	if msg.Name != h.waited {
		return
	}
	then := h.after
	h.waited, h.after = "", nil
	then(msg.Error != "")
}

// tellWorkers tells a zygote which workers there are, for server.WORKERS.
func (h *hooks) tellWorkers(g *generation.Generation) {
	for _, c := range h.table.List {
		if c.PID != 0 {
			h.m.zygotes.tell(g.Zygote, zygotectl.WorkerStarted{Nr: c.Nr, Age: c.Age, PID: c.PID})
		}
	}
}

// workerKnown tells all zygotes that may run hooks about a new worker.
func (h *hooks) workerKnown(c *workers.Worker) {
	for _, g := range h.gens.All() {
		if g.Up() {
			h.m.zygotes.tell(g.Zygote, zygotectl.WorkerStarted{Nr: c.Nr, Age: c.Age, PID: c.PID})
		}
	}
}

// workerGone takes a worker out of their tables; the newest runs child_exit.
func (h *hooks) workerGone(c *workers.Worker) {
	newest := h.gens.Newest()
	for _, g := range h.gens.All() {
		if g.Up() {
			_, has := g.Plan.Hooks["child_exit"]
			order := zygotectl.WorkerEnded{Nr: c.Nr, Age: c.Age, PID: c.PID, Hook: has && g == newest}
			if order.Hook {
				h.m.zygotes.tell(g.Zygote, order, lent(g, g.Sockets)...)
			} else {
				h.m.zygotes.tell(g.Zygote, order)
			}
		}
	}
}
