package master

import (
	"fmt"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/workerctl"
)

type fakeZygote struct {
	pid        int
	ch         *fakeChannel
	dead       bool
	hangs      bool // answers nothing
	seed       bool // began as one
	configured []zygotectl.Configure
	hooks      []string
	orders     []zygotectl.RunHook
	lines      []string   // LogLine, with the level
	imports    [][]string // of ImportStdlib
	facts      []string   // WorkerStarted and WorkerEnded, as "start 1", "end 1", "child_exit 1" with the age
}

type fakeWorker struct {
	pid        int
	order      zygotectl.SpawnWorker
	ch         *fakeChannel
	serve      workerctl.Serve
	dead, deaf bool
	got        []string // orders by channel and signals, in order
}

func (w *world) end(k *fakeWorker, status unix.WaitStatus) {
	k.dead, k.ch.eof = true, true
	w.dead = append(w.dead, death{k.pid, status})
}

func (w *world) endZygote(z *fakeZygote, status unix.WaitStatus) {
	z.dead, z.ch.eof = true, true
	w.dead = append(w.dead, death{z.pid, status})
}

// react lets every process do what its orders say; false: nothing to do.
func (w *world) react() bool {
	busy := false
	for _, z := range w.zygotes {
		for !z.dead && !z.hangs && !w.zygoteHangs && len(z.ch.sent) > 0 {
			order, fds := z.ch.sent[0], z.ch.fds[0]
			z.ch.sent, z.ch.fds = z.ch.sent[1:], z.ch.fds[1:]
			w.obey(z, order, fds)
			busy = true
		}
	}
	for _, k := range w.workers {
		for !k.dead && len(k.ch.sent) > 0 {
			order := k.ch.sent[0]
			k.ch.sent = k.ch.sent[1:]
			if serve, ok := order.(workerctl.Serve); ok {
				k.serve = serve
			} else {
				k.got = append(k.got, order.Type())
			}
			busy = true
		}
	}
	return busy
}

func (w *world) obey(z *fakeZygote, order workerctl.Message, fds []int) {
	switch order := order.(type) {
	case zygotectl.LoadConfig:
		stale := w.stale && z.seed
		w.plantSeed(len(fds) > 0, w.seeds && !stale)
		if stale {
			z.ch.say(zygotectl.Stale{})
			return
		}
		z.ch.say(zygotectl.ConfigLoaded{})
	case zygotectl.Configure:
		z.configured = append(z.configured, order)
		if w.loadFails != nil {
			z.ch.say(*w.loadFails)
			return
		}
		z.ch.say(zygotectl.Configured{Relay: w.relays, Level: 20})
	case zygotectl.ImportStdlib:
		z.imports = append(z.imports, order.Modules)
		if w.stdlibKills {
			w.endZygote(z, signaled(unix.SIGSEGV))
			return
		}
		z.ch.say(zygotectl.StdlibImported{Modules: len(order.Modules)})
	case zygotectl.LogLine:
		z.lines = append(z.lines, fmt.Sprintf("%d %s", order.Level, order.Text))
	case zygotectl.RunHook:
		z.hooks, z.orders = append(z.hooks, order.Name), append(z.orders, order)
		if z.hangs = order.Name == w.hookHangs; z.hangs {
			return
		}
		done := zygotectl.HookDone{Name: order.Name, Keeps: order.Name == w.hookKeeps}
		if order.Name == w.hookFails {
			done.Error = "Traceback"
		}
		z.ch.say(done)
	case zygotectl.SpawnWorker:
		w.spawned(order, w.channelOf(order.Age))
	case zygotectl.WorkerStarted:
		z.facts = append(z.facts, fmt.Sprintf("start %d", order.Age))
	case zygotectl.WorkerEnded:
		word := map[bool]string{true: "child_exit", false: "end"}[order.Hook]
		z.facts = append(z.facts, fmt.Sprintf("%s %d", word, order.Age))
	case zygotectl.Exit:
		w.endZygote(z, exited(0))
	}
}

// plantSeed makes a seed if its channel came along, or closes that.
func (w *world) plantSeed(ordered, does bool) {
	if !ordered {
		return
	}
	ch := w.m.seeds.seed.Channel.(*fakeChannel)
	if !does {
		ch.eof = true
		return
	}
	w.nextPID++
	w.zygotes = append(w.zygotes, &fakeZygote{pid: w.nextPID, ch: ch, seed: true})
	ch.say(zygotectl.SeedReady{PID: w.nextPID})
}

// channelOf finds the channel of a worker about to be forked; in the real world
// it travels with the order.
func (w *world) channelOf(age int) *fakeChannel {
	if c := w.m.table.ByAge(age); c != nil && c.Channel != nil {
		return c.Channel.(*fakeChannel)
	}
	return &fakeChannel{eof: true}
}

func (w *world) spawned(order zygotectl.SpawnWorker, ch *fakeChannel) {
	w.nextPID++
	k := &fakeWorker{pid: w.nextPID, order: order, ch: ch, deaf: w.deaf}
	w.workers = append(w.workers, k)
	ch.say(workerctl.WorkerSpawned{PID: k.pid})
	switch {
	case w.bootFails != nil:
		ch.say(*w.bootFails)
		w.end(k, exited(w.bootFails.Exit))
	case !w.bootHangs:
		ch.say(workerctl.WorkerReady{})
	}
}

// alive gives the living workers in order of age.
func (w *world) alive() []*fakeWorker {
	var list []*fakeWorker
	for _, k := range w.workers {
		if !k.dead {
			list = append(list, k)
		}
	}
	return list
}

func (w *world) zygote() *fakeZygote { return w.zygotes[len(w.zygotes)-1] }

// ready lets a worker whose boot hangs come up.
func (w *world) ready(k *fakeWorker) {
	w.t.Helper()
	k.ch.say(workerctl.WorkerReady{})
	w.run()
}
