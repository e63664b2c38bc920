package master

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/pidfile"
	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/cmd/gosrv/internal/zygotectl"
)

// The first start, in Gunicorn's order:
//
//	config file evaluated   settle     directory, logs
//	application preloaded   start      pidfile, on_starting
//	                        bind       sockets
//	                        opened     when_ready, workers

// settle takes up the first plan's effects on the master itself.
func (m *Master) settle(p *plan.Plan) error {
	if p.Own.PrintConfig {
		fmt.Print(p.Text)
	}
	if p.CheckOnly() {
		// Loading the application is the rest of the check.
		p.Settings["preload_app"] = true
		return nil
	}
	if p.Own.Chdir != "" {
		if err := os.Chdir(p.Own.Chdir); err != nil {
			return fmt.Errorf("can't chdir to %s: %w", p.Own.Chdir, err)
		}
	}
	m.gens.Current.Plan = p
	if err := m.gens.Current.Open(p, m.warn); err != nil {
		return err
	}
	m.lines.Follow(&m.gens.Current.Outlets, p.Worker.LogLevel)
	return nil
}

// failStart ends a first start that came to nothing. What the config file or
// the settings did wrong goes to the terminal as Gunicorn has it; the rest to
// the log.
func (m *Master) failStart(f zygotectl.Failed) {
	p := m.gens.Current.Plan
	code := max(f.Exit, 1)
	switch {
	case f.Stage == "config" && f.Traceback == "":
		fmt.Fprintf(os.Stderr, "\nError: %s\n", f.Message)
	case f.Stage == "config":
		fmt.Fprintf(os.Stderr, "%s\n%s\n", f.Message, strings.TrimRight(f.Traceback, "\n"))
	case p != nil && p.CheckOnly():
		text := f.Message
		if f.Traceback != "" {
			text = f.Traceback
		}
		fmt.Fprintf(os.Stderr, "\nError while loading the application:\n\n%s\n", strings.TrimRight(text, "\n"))
		code = 1
	default:
		m.log.Errorf("%s", withTraceback(f.Message, f.Traceback))
	}
	m.abandonStart(code)
}

// abandonStart ends before anything was served.
func (m *Master) abandonStart(code int) {
	m.beginStop(false, code, "")
}

// start goes on when the first generation is configured.
func (m *Master) start() {
	p := m.gens.Current.Plan
	if p.CheckOnly() {
		if !p.Own.PrintConfig { // which has said all there is to say, in Gunicorn's form
			_, _ = os.Stdout.WriteString(p.Check(m.opt.Version, m.opt.Interpreter, m.activatedBy()))
		}
		m.abandonStart(0)
		return
	}
	m.showTitle()
	m.log.Infof("Starting gosrv %s", m.opt.Version)
	m.log.Debugf("Using %s", m.opt.About)
	m.notify(p)
	if path := m.pidfilePath(p); path != "" {
		if err := pidfile.Create(path, m.pid); err != nil {
			m.failStart(zygotectl.Failed{Stage: "config", Message: err.Error()})
			return
		}
		m.pidfile = path
	}
	m.hook("nworkers_changed", m.gens.Current.Workers, nil)
	m.hookThen("on_starting", func(failed bool) {
		if failed {
			m.abandonStart(1)
			return
		}
		addrs := m.opt.Activated
		if addrs == nil {
			addrs = p.Addrs
		}
		inherited, beside := listen.Inherit(m.opt.Origin.Sockets, addrs)
		m.lanes.adopt(beside)
		m.sys.Bind(addrs, p.SocketOptions(), inherited, m.opened)
	})
}

// activatedBy says who has passed sockets in the place of bind; "": nobody.
func (m *Master) activatedBy() string {
	if m.opt.Activated == nil {
		return ""
	}
	return "the sockets passed by systemd"
}

// warn logs what goes wrong on the way of a log.
func (m *Master) warn(text string) { m.log.Warningf("%s", text) }

// notify logs what the user should read about the settings.
func (m *Master) notify(p *plan.Plan) {
	for _, n := range p.Notices {
		if n.Quiet {
			m.log.Debugf("%s", n.Text)
		} else {
			m.log.Warningf("%s", n.Text)
		}
	}
}

// bindApart opens sockets on another goroutine, because that may take seconds
// in which signals are to be obeyed.
func (m *Master) bindApart(addrs []listen.Addr, o listen.Options, kept listen.Set, done func(listen.Set, error)) {
	go func() {
		set, err := listen.OpenAll(addrs, o, kept, m.log, func(d time.Duration) bool {
			time.Sleep(d)
			return true
		})
		m.calls <- func() { done(set, err) }
	}()
}

// opened goes on when the sockets are there.
func (m *Master) opened(set listen.Set, err error) {
	if m.phase != starting {
		m.release(&generation.Resources{Sockets: set}, nil) // a signal was faster
		return
	}
	if err == nil {
		m.gens.Current.Sockets = set
		err = m.shared.Open(m.gens.Current.Workers)
	}
	if err != nil {
		m.log.Errorf("%v", err)
		m.hint(err)
		m.abandonStart(1)
		return
	}
	m.table.Slots = m.shared.Board.Slots()
	p := m.gens.Current.Plan
	m.log.Infof("Listening at: %s (%d)", m.gens.Current.URLs(), m.pid)
	m.log.Infof("Using worker: %s", p.Worker.WorkerClass)
	for _, line := range p.StartLines(m.opt.Interpreter) {
		m.log.Infof("%s", line)
	}
	m.hookThen("when_ready", func(failed bool) {
		if failed {
			m.halt("", 1)
			return
		}
		m.phase = serving
		if m.reloadAgain {
			m.reloadAgain = false
			m.reload()
		}
	})
}

// hint adds what can be done about an error, if the error knows.
func (m *Master) hint(err error) {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		m.log.Errorf("Hint: %s", hinted.Hint())
	}
}
