package master

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/zygote"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/workerctl"
)

// startZygote gives the generation a zygote that begins with the config file:
// a new process.
func (m *Master) startZygote(g *generation.Generation) {
	started := m.sys.Now()
	pid, ch, err := m.sys.Exec()
	if err != nil {
		m.zygoteFailed(g, zygotectl.Failed{Stage: "exec", Exit: 1, Message: err.Error()})
		return
	}
	g.Zygote = &zygote.Process{PID: pid, Channel: ch, State: zygote.Loading, Started: started}
	m.orderConfig(g)
}

// orderConfig gives a zygote its first order, and a seed to leave behind.
func (m *Master) orderConfig(g *generation.Generation) {
	order := zygotectl.LoadConfig{
		Explicit: m.opt.ConfigExplicit, Argv: m.opt.Argv, Program: m.opt.Program, Defaults: m.opt.Defaults,
		Dir: m.dir, Started: g.Zygote.Started.UnixNano(),
	}
	if m.opt.ConfigPath != "" {
		order.Path = &m.opt.ConfigPath
	}
	if peer, ok := m.plantSeed(); ok {
		m.tell(g.Zygote, order, peer)
		m.sys.CloseFD(peer)
		return
	}
	m.tell(g.Zygote, order)
}

// tell sends an order. A zygote that does not take it is dead or will be seen
// to be, so the error needs no answer here.
func (m *Master) tell(z *zygote.Process, order workerctl.Message, fds ...int) {
	if err := z.Tell(order, m.sys.Now(), fds...); err != nil {
		m.log.Debugf("Zygote (pid:%d) takes no orders: %v", z.PID, err)
	}
}

// restartZygote starts another zygote for a generation whose own has died. Its workers
// serve on meanwhile.
func (m *Master) restartZygote(g *generation.Generation, now time.Time) {
	if g.Zygote == nil && g.Restarts.Open(now) {
		m.startZygote(g)
	}
}

// readZygote reads all that has arrived from a zygote.
func (m *Master) readZygote(g *generation.Generation) {
	for g.Zygote != nil && g.Zygote.State != zygote.Gone {
		z := g.Zygote
		typ, raw, err := z.Recv(m.sys.CloseFD)
		switch {
		case err != nil:
			if reason := zygote.Reason(err); reason != "" {
				m.log.Errorf("Zygote (pid:%d): %s", z.PID, reason)
			}
			_ = m.sys.Kill(z.PID, unix.SIGKILL) // without a channel it is of no use
			return
		case typ == "":
			return
		}
		if err := m.fromZygote(g, typ, raw); err != nil {
			m.log.Errorf("Zygote (pid:%d): %s: %v", z.PID, typ, err)
		}
	}
}

func (m *Master) fromZygote(g *generation.Generation, typ string, raw json.RawMessage) error {
	if g.Zygote.Answered(typ, m.sys.Now()) && g == m.gens.Current {
		m.lines.RelayThrough(g.Zygote)
	}
	switch typ {
	case "ConfigLoaded":
		return receive(raw, func(msg zygotectl.ConfigLoaded) { m.configLoaded(g, msg) })
	case "Configured":
		return receive(raw, func(msg zygotectl.Configured) { m.configured(g, msg) })
	case "Stale":
		m.dismiss(g.TakeZygote())
		m.readSeed() // it has left none behind: the new one shall
		m.startZygote(g)
		return nil
	case "Failed":
		return receive(raw, func(msg zygotectl.Failed) { m.zygoteFailed(g, msg) })
	case "SpawnFailed":
		return receive(raw, m.spawnFailed)
	case "HookDone":
		return receive(raw, func(msg zygotectl.HookDone) { m.hookDone(g, msg) })
	}
	return errors.New("unknown message")
}

// receive decodes a message and passes it on.
func receive[T any](raw json.RawMessage, use func(T)) error {
	var msg T
	if err := json.Unmarshal(raw, &msg); err != nil {
		return err
	}
	use(msg)
	return nil
}

func (m *Master) configLoaded(g *generation.Generation, msg zygotectl.ConfigLoaded) {
	if g.Plan == nil {
		plan, err := m.opt.Resolve(msg)
		if err == nil {
			err = plan.Prepare()
		}
		if err == nil && m.phase == starting && m.leavesTerminal(plan) {
			m.detach(plan)
			return
		}
		if err == nil && m.phase == starting {
			err = m.settle(plan)
		} else if err == nil {
			err = g.Open(plan, m.warn)
		}
		if err != nil {
			m.zygoteFailed(g, zygotectl.Failed{Stage: "config", Exit: exitCode(err), Message: err.Error()})
			return
		}
		g.Plan, g.Workers = plan, plan.Worker.Workers
		if plan.Preloads() {
			m.endSeed()
		}
		if m.finished {
			return
		}
	}
	m.tell(g.Zygote, zygotectl.Configure{
		Settings: g.Plan.Settings, App: g.Plan.App, Argv: m.opt.Argv, Env: g.Plan.Env(),
		Software: "gosrv/" + m.opt.Version, MasterPID: m.pid, Generation: g.Number,
	}, g.ErrorLog.FD())
}

// exitCode is 1 unless the error knows better.
func exitCode(err error) int {
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return 1
}

func (m *Master) configured(g *generation.Generation, msg zygotectl.Configured) {
	for _, w := range msg.Warnings {
		m.log.Warningf("%s", w)
	}
	g.Zygote.Configured(zygote.Logging{Relay: msg.Relay, Level: msg.Level})
	g.Restarts.Reset() // whatever it dies of now, the next one is started at once
	if g == m.gens.Current {
		m.lines.RelayThrough(g.Zygote)
	}
	m.tellWorkers(g)
	switch {
	case m.phase == starting && m.hookWaited != "":
		m.hook(m.hookWaited) // once more: the zygote that was at it is given up
	case m.phase == starting:
		m.start()
	case g == m.gens.Next:
		m.loadedNext()
	default:
		m.log.Infof("Zygote (pid:%d) of generation %d is ready", g.Zygote.PID, g.Number)
	}
}

// zygoteFailed handles a zygote that cannot do its work: fatal at the first
// start, an aborted reload, or another attempt later.
func (m *Master) zygoteFailed(g *generation.Generation, f zygotectl.Failed) {
	m.dismiss(g.TakeZygote())
	switch {
	case m.phase == stopping:
	case m.phase == starting:
		m.failStart(f)
	case g == m.gens.Next:
		m.abortReload(withTraceback(f.Message, f.Traceback))
	default:
		m.pauseRestart(g, withTraceback(f.Message, f.Traceback))
	}
}

func withTraceback(message, traceback string) string {
	if traceback == "" {
		return message
	}
	return message + "\n" + traceback
}

func (m *Master) pauseRestart(g *generation.Generation, text string) {
	again := "at once"
	if pause := g.Restarts.Fail(m.sys.Now()); pause > 0 {
		again = fmt.Sprintf("in %v", pause)
	}
	m.log.Errorf("%s\nWorkers of generation %d serve on; its zygote is started again %s", text, g.Number, again)
}

// dismiss ends a zygote that is needed no more; there may be none.
func (m *Master) dismiss(z *zygote.Process) {
	if z == nil {
		return
	}
	m.lines.StopRelaying(z)
	if err := z.Exit(m.sys.Now()); err != nil {
		m.log.Debugf("Zygote (pid:%d) takes no orders: %v", z.PID, err)
	}
	m.dismissed = append(m.dismissed, z)
}

// retireZygote ends the zygote of a generation that no longer serves, unless a
// hook of it left something behind that has to live on: on_starting and
// when_ready are run only once.
func (m *Master) retireZygote(z *zygote.Process, generation int) {
	if z == nil || !z.Keeps {
		m.dismiss(z)
		return
	}
	m.lines.StopRelaying(z)
	m.retained = append(m.retained, z)
	m.log.Debugf("Zygote (pid:%d) of generation %d stays for what its hooks have started", z.PID, generation)
}

// zygoteDied handles the death of a zygote that was not told to exit.
func (m *Master) zygoteDied(g *generation.Generation, status unix.WaitStatus) {
	z := g.TakeZygote()
	m.lines.StopRelaying(z)
	_ = z.Channel.Close()
	text := fmt.Sprintf("Zygote (pid:%d) %s", z.PID, describe(status))
	if z.Origin == zygote.FromSeed {
		m.endSeed() // its own kind: what they have in common may be the reason
	}
	if m.hookWaited != "" && g == m.gens.Newest() {
		m.hookDone(g, zygotectl.HookDone{Name: m.hookWaited, Error: text})
	}
	switch {
	case m.phase == stopping:
	case m.phase == starting:
		text += " while starting"
		if g.Plan == nil {
			text += "; does Python itself start? Try: " + m.opt.Image.Python + " -c pass"
		}
		m.failStart(zygotectl.Failed{Stage: "zygote", Exit: 1, Message: text})
	case g == m.gens.Next:
		m.abortReload(text)
	default:
		m.pauseRestart(g, text)
	}
}
