package master

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/exits"
	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/stdlib"
	"gosrv/cmd/gosrv/internal/zygote"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/workerctl"
)

// zygotes are those of the generations, and those that were once.
type zygotes struct {
	*server
	m         *Master
	dismissed zygote.List // told to exit, not reaped yet
	retained  zygote.List // no longer needed to fork, but hooks left something in them
	stdlib    stdlib.Sharing
}

// start gives the generation a zygote that begins with the config file:
// a new process.
func (zs *zygotes) start(g *generation.Generation) {
	started := zs.sys.Now()
	pid, ch, err := zs.sys.Exec()
	if err != nil {
		zs.failed(g, zygotectl.Failed{Stage: "exec", Exit: 1, Message: err.Error()})
		return
	}
	g.Zygote = &zygote.Process{PID: pid, Channel: ch, State: zygote.Loading, Started: started}
	zs.orderConfig(g)
}

// orderConfig gives a zygote its first order, and a seed to leave behind.
func (zs *zygotes) orderConfig(g *generation.Generation) {
	order := zygotectl.LoadConfig{
		Explicit: zs.opt.ConfigExplicit, Argv: zs.opt.Argv, Program: zs.opt.Program, Defaults: zs.opt.Defaults,
		Dir: zs.dir, Started: g.Zygote.Started.UnixNano(),
	}
	if zs.opt.ConfigPath != "" {
		order.Path = &zs.opt.ConfigPath
	}
	if peer, ok := zs.m.seeds.plant(); ok {
		zs.tell(g.Zygote, order, peer)
		zs.sys.CloseFD(peer)
		return
	}
	zs.tell(g.Zygote, order)
}

// tell sends an order. A zygote that does not take it is dead or will be seen
// to be, so the error needs no answer here.
func (zs *zygotes) tell(z *zygote.Process, order workerctl.Message, fds ...int) {
	if err := z.Tell(order, zs.sys.Now(), fds...); err != nil {
		zs.log.Debugf("Zygote (pid:%d) takes no orders: %v", z.PID, err)
	}
}

// restart starts another zygote for a generation whose own has died, or that wants a
// worker and has let its own end. Its workers serve on meanwhile.
func (zs *zygotes) restart(g *generation.Generation, now time.Time) {
	if g.Zygote != nil || !g.Restarts.Open(now) || g.Asleep && !zs.m.reload.lacks(g) {
		return
	}
	g.Asleep = false
	zs.start(g)
}

// read reads all that has arrived from a zygote.
func (zs *zygotes) read(g *generation.Generation) {
	for g.Zygote != nil && g.Zygote.State != zygote.Gone {
		z := g.Zygote
		typ, raw, err := z.Recv(zs.sys.CloseFD)
		switch {
		case err != nil:
			if reason := zygote.Reason(err); reason != "" {
				zs.log.Errorf("Zygote (pid:%d): %s", z.PID, reason)
			}
			_ = zs.sys.Kill(z.PID, unix.SIGKILL) // without a channel it is of no use
			return
		case typ == "":
			return
		}
		if err := zs.heard(g, typ, raw); err != nil {
			zs.log.Errorf("Zygote (pid:%d): %s: %v", z.PID, typ, err)
		}
	}
}

func (zs *zygotes) heard(g *generation.Generation, typ string, raw json.RawMessage) error {
	if g.Zygote.Answered(typ, zs.sys.Now()) && g == zs.gens.Current {
		zs.lines.RelayThrough(g.Zygote)
	}
	switch typ {
	case "ConfigLoaded":
		return receive(raw, func(msg zygotectl.ConfigLoaded) {
			g.Plain = msg.Path == nil && len(msg.Callables) == 0
			zs.configLoaded(g, msg)
		})
	case "Configured":
		return receive(raw, func(msg zygotectl.Configured) { zs.configured(g, msg) })
	case "Stale":
		zs.dismiss(g.TakeZygote())
		zs.m.seeds.read() // it has left none behind: the new one shall
		zs.start(g)
		return nil
	case "Failed":
		return receive(raw, func(msg zygotectl.Failed) { zs.failed(g, msg) })
	case "StdlibImported":
		return receive(raw, func(msg zygotectl.StdlibImported) { zs.stdlib.Imported(g, msg) })
	case "SpawnFailed":
		return receive(raw, zs.m.workers.spawnFailed)
	case "Resize":
		return receive(raw, func(msg zygotectl.Resize) { zs.m.resizeTo(msg.Workers) })
	case "HookDone":
		return receive(raw, func(msg zygotectl.HookDone) { zs.m.hooks.done(g, msg) })
	}
	return errors.New("unknown message")
}

func (zs *zygotes) configLoaded(g *generation.Generation, msg zygotectl.ConfigLoaded) {
	if g.Plan == nil {
		plan, err := zs.opt.Resolve(msg)
		if err == nil {
			err = plan.Prepare()
		}
		if err == nil && zs.phase == starting && zs.m.first.leavesTerminal(plan) {
			zs.m.first.detach(plan)
			return
		}
		if err == nil && zs.phase == starting {
			err = zs.m.first.settle(plan)
		} else if err == nil {
			err = g.Open(plan, zs.m.warn)
		}
		if err != nil {
			zs.failed(g, zygotectl.Failed{Stage: "config", Exit: exitCode(err), Message: err.Error()})
			return
		}
		g.Plan, g.Workers = plan, plan.Worker.Workers
		zs.stdlib.Begin(g, plan.SharesStdlib(zs.opt.Program != ""), zs.application(g))
		if plan.Preloads() {
			zs.m.seeds.end()
		}
		if zs.m.finished {
			return
		}
	}
	zs.tell(g.Zygote, zygotectl.Configure{
		Settings: g.Plan.Settings, App: g.Plan.App, Argv: zs.opt.Argv, Env: g.Plan.Env(),
		Software: "gosrv/" + zs.opt.Version, MasterPID: zs.pid, Generation: g.Number,
		ShareStdlib: g.Stdlib.State != generation.Apart,
		About:       g.Plan.About, Parent: zs.m.upgrade.parent, Systemd: zs.opt.Activated != nil,
	}, g.ErrorLog.FD())
}

func (zs *zygotes) configured(g *generation.Generation, msg zygotectl.Configured) {
	for _, w := range msg.Warnings {
		zs.log.Warningf("%s", w)
	}
	if err := zs.shared.OpenCertificates(&g.Resources, g.Plan, msg.TLS, zs.opt.Image.Python, zs.sys.Now()); err != nil {
		zs.failed(g, zygotectl.Failed{Stage: "config", Exit: 1, Message: err.Error()})
		return
	}
	g.Zygote.Configured(zygote.Logging{Relay: msg.Relay, Level: msg.Level})
	g.Restarts.Reset() // whatever it dies of now, the next one is started at once
	if g == zs.gens.Current {
		zs.lines.RelayThrough(g.Zygote)
	}
	zs.m.hooks.tellWorkers(g)
	zs.stdlib.Configured(g)
	switch {
	case zs.phase == starting && zs.m.hooks.waited != "":
		zs.m.hooks.order(zs.m.hooks.waited) // once more: the zygote that was at it is given up
	case zs.phase == starting:
		zs.m.first.configured()
	case g == zs.gens.Next:
		zs.m.reload.loaded()
	default:
		zs.log.Infof("Zygote (pid:%d) of generation %d is ready", g.Zygote.PID, g.Number)
	}
}

// failed handles a zygote that cannot do its work: fatal at the first
// start, an aborted reload, or another attempt later.
func (zs *zygotes) failed(g *generation.Generation, f zygotectl.Failed) {
	zs.dismiss(g.TakeZygote())
	switch {
	case zs.phase == stopping:
	case zs.phase == starting:
		zs.m.first.fail(f)
	case g == zs.gens.Next:
		zs.m.reload.abort(withTraceback(f.Message, f.Traceback))
	default:
		zs.pauseRestart(g, withTraceback(f.Message, f.Traceback))
	}
}

func withTraceback(message, traceback string) string {
	if traceback == "" {
		return message
	}
	return message + "\n" + traceback
}

func (zs *zygotes) pauseRestart(g *generation.Generation, text string) {
	again := "at once"
	if pause := g.Restarts.Fail(zs.sys.Now()); pause > 0 {
		again = fmt.Sprintf("in %v", pause)
	}
	zs.log.Errorf("%s\nWorkers of generation %d serve on; its zygote is started again %s", text, g.Number, again)
}

// dismiss ends a zygote that is needed no more; there may be none.
func (zs *zygotes) dismiss(z *zygote.Process) {
	if z == nil {
		return
	}
	zs.lines.StopRelaying(z)
	if err := z.Exit(zs.sys.Now()); err != nil {
		zs.log.Debugf("Zygote (pid:%d) takes no orders: %v", z.PID, err)
	}
	zs.dismissed = append(zs.dismissed, z)
}

// died handles the death of a zygote that was not told to exit.
func (zs *zygotes) died(g *generation.Generation, status unix.WaitStatus) {
	z := g.TakeZygote()
	zs.lines.StopRelaying(z)
	_ = z.Channel.Close()
	zs.stdlib.Lost(g, zs.application(g))
	text := fmt.Sprintf("Zygote (pid:%d) %s", z.PID, exits.Describe(status))
	if z.Origin == zygote.FromSeed {
		zs.m.seeds.end() // its own kind: what they have in common may be the reason
	}
	if zs.m.hooks.waited != "" && g == zs.gens.Newest() {
		zs.m.hooks.done(g, zygotectl.HookDone{Name: zs.m.hooks.waited, Error: text})
	}
	switch {
	case zs.phase == stopping:
	case zs.phase == starting:
		text += " while starting"
		if g.Plan == nil {
			text += "; does Python itself start? Try: " + zs.opt.Image.Python + " -c pass"
		}
		zs.m.first.fail(zygotectl.Failed{Stage: "zygote", Exit: 1, Message: text})
	case g == zs.gens.Next:
		zs.m.reload.abort(text)
	default:
		zs.pauseRestart(g, text)
	}
}

// retainedDied handles the death of a zygote that stayed for its hooks' sake.
func (zs *zygotes) retainedDied(pid int, status unix.WaitStatus) bool {
	z := zs.retained.Take(pid)
	if z == nil {
		return false
	}
	zs.log.Warningf("Zygote (pid:%d), kept for what its hooks had started, %s", pid, exits.Describe(status))
	_ = z.Channel.Close()
	return true
}

// seeds owns the one that waits for the next reload.
type seeds struct {
	*server
	m    *Master
	seed *zygote.Process // nil: there is none
}

// A seed is a zygote of no generation yet: a copy of another one from before that
// read its orders, so that a reload need not start an interpreter. It says itself
// whether it still is what a new one would be. None is kept where the application
// is preloaded, or much of the standard library imported: that takes the time then, and
// the pages that it rewrites in the zygote would be in memory twice.

// plant gives a zygote that is about to get its first order the channel of a
// seed to leave behind. false: there is one already, or none is to be had.
func (ss *seeds) plant() (peer int, ok bool) {
	current := ss.gens.Current
	if ss.seed != nil || current.Plan != nil && current.Plan.Preloads() || current.Stdlib.State >= generation.Known {
		return -1, false
	}
	ch, peer, err := ss.sys.Pair()
	if err != nil {
		ss.log.Debugf("The next reload starts an interpreter: %v", err)
		return -1, false
	}
	ss.seed = &zygote.Process{Channel: ch}
	return peer, true
}

// take makes the seed the zygote of a generation. false: there is none.
func (ss *seeds) take(g *generation.Generation) bool {
	ss.read() // one that has just ended is not reaped yet, but its channel is closed
	s := ss.seed
	if s == nil || s.PID == 0 {
		return false
	}
	ss.seed = nil
	s.State, s.Origin, s.Started = zygote.Loading, zygote.FromSeed, ss.sys.Now()
	g.Zygote = s
	return true
}

// read reads what the seed has to say: that it is there. End of file: it is
// not, because the zygote saw why it must not be, or it has ended.
func (ss *seeds) read() {
	for ss.seed != nil {
		typ, raw, err := ss.seed.Recv(ss.sys.CloseFD)
		switch {
		case err != nil:
			ss.drop()
			return
		case typ == "":
			return
		}
		ss.heard(typ, raw)
	}
}

func (ss *seeds) heard(typ string, raw json.RawMessage) {
	if typ != "SeedReady" {
		ss.log.Errorf("Seed (pid:%d): %s: unknown message", ss.seed.PID, typ)
		return
	}
	if err := receive(raw, func(msg zygotectl.SeedReady) { ss.seed.PID = msg.PID }); err != nil {
		ss.log.Errorf("Seed: %s: %v", typ, err)
	}
	if ss.phase == stopping {
		ss.end()
	}
}

// end tells it to exit. A stop waits for one that has not said that it is
// there (seedGone), since it may be about to be forked.
func (ss *seeds) end() {
	s := ss.seed
	if s == nil {
		return
	}
	if s.PID == 0 && ss.phase == stopping {
		_ = s.Channel.Send(zygotectl.Exit{}) // one that is gone has closed its end
		return
	}
	if s.PID == 0 {
		ss.drop()
		return
	}
	ss.seed = nil
	ss.m.zygotes.dismiss(s)
}

// gone tells whether a stop need not wait for the seed: not for longer than
// zygote.ExitGrace, after which end of file ends it.
func (ss *seeds) gone(now time.Time) bool {
	if ss.seed != nil && !now.Before(ss.m.stop.order.deadline) {
		ss.drop()
	}
	return ss.seed == nil
}

// died handles the death of a seed: the next reload starts an interpreter.
func (ss *seeds) died(pid int, status unix.WaitStatus) bool {
	if ss.seed == nil || ss.seed.PID != pid {
		return false
	}
	ss.log.Debugf("Seed (pid:%d) %s", pid, exits.Describe(status))
	ss.drop()
	return true
}

// drop forgets the seed, which ends by its channel's end if it lives.
func (ss *seeds) drop() {
	_ = ss.seed.Channel.Close()
	ss.seed = nil
}
