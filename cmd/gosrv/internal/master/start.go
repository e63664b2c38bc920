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
//	application preloaded   configured pidfile, on_starting
//	                        bind       sockets
//	                        opened     when_ready, workers

// firstStart carries it out.
type firstStart struct {
	*server
	m *Master
}

// settle takes up the first plan's effects on the master itself.
func (fs *firstStart) settle(p *plan.Plan) error {
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
	fs.gens.Current.Plan = p
	if err := fs.gens.Current.Open(p, fs.m.warn); err != nil {
		return err
	}
	fs.lines.Follow(&fs.gens.Current.Targets, p.Worker.LogLevel)
	return nil
}

// fail ends a first start that came to nothing. What the config file or
// the settings did wrong goes to the terminal as Gunicorn has it; the rest to
// the log.
func (fs *firstStart) fail(f zygotectl.Failed) {
	p := fs.gens.Current.Plan
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
		fs.log.Errorf("%s", withTraceback(f.Message, f.Traceback))
	}
	fs.abandon(code)
}

// abandon ends before anything was served.
func (fs *firstStart) abandon(code int) {
	fs.m.stop.begin(false, code, "")
}

// configured goes on when the first generation is configured.
func (fs *firstStart) configured() {
	p := fs.gens.Current.Plan
	if p.CheckOnly() {
		if !p.Own.PrintConfig { // which has said all there is to say, in Gunicorn's form
			_, _ = os.Stdout.WriteString(p.Check(fs.opt.Version, fs.opt.Interpreter, fs.activatedBy()))
		}
		fs.abandon(0)
		return
	}
	fs.m.upgrade.showTitle()
	fs.log.Infof("Starting gosrv %s", fs.opt.Version)
	fs.log.Debugf("Using %s", fs.opt.About)
	fs.notices(p)
	if path := fs.m.upgrade.pidfilePath(p); path != "" {
		if err := pidfile.Create(path, fs.pid); err != nil {
			fs.fail(zygotectl.Failed{Stage: "config", Message: err.Error()})
			return
		}
		fs.m.upgrade.pidfile = path
	}
	fs.m.hooks.order("nworkers_changed", fs.gens.Current.Workers, nil)
	fs.m.hooks.then("on_starting", func(failed bool) {
		if failed {
			fs.abandon(1)
			return
		}
		addrs := fs.opt.Activated
		if addrs == nil {
			addrs = p.Addrs
		}
		inherited, beside := listen.Inherit(fs.opt.Origin.Sockets, addrs)
		fs.m.ports.Adopt(beside)
		fs.sys.Bind(addrs, p.SocketOptions(), inherited, fs.opened)
	})
}

// activatedBy says who has passed sockets in the place of bind; "": nobody.
func (fs *firstStart) activatedBy() string {
	if fs.opt.Activated == nil {
		return ""
	}
	return "the sockets passed by systemd"
}

// warn logs what goes wrong on the way of a log.
func (m *Master) warn(text string) { m.log.Warningf("%s", text) }

// notices logs what the user should read about the settings.
func (fs *firstStart) notices(p *plan.Plan) {
	for _, n := range p.Notices {
		if n.Quiet {
			fs.log.Debugf("%s", n.Text)
		} else {
			fs.log.Warningf("%s", n.Text)
		}
	}
}

// bindApart opens sockets on another goroutine, because that may take seconds
// in which signals are to be obeyed.
func (fs *firstStart) bindApart(addrs []listen.Addr, o listen.Options, kept listen.Set, done func(listen.Set, error)) {
	go func() {
		set, err := listen.OpenAll(addrs, o, kept, fs.log, func(d time.Duration) bool {
			time.Sleep(d)
			return true
		})
		fs.m.calls <- func() { done(set, err) }
	}()
}

// opened goes on when the sockets are there.
func (fs *firstStart) opened(set listen.Set, err error) {
	if fs.phase != starting {
		fs.m.release(&generation.Resources{Sockets: set}, nil) // a signal was faster
		return
	}
	if err == nil {
		fs.gens.Current.Sockets = set
		err = fs.shared.Open(fs.gens.Current.Workers)
	}
	if err == nil {
		err = fs.m.beside.Open()
	}
	if err != nil {
		fs.log.Errorf("%v", err)
		fs.m.hint(err)
		fs.abandon(1)
		return
	}
	fs.table.Slots = fs.shared.Board.Slots()
	p := fs.gens.Current.Plan
	fs.log.Infof("Listening at: %s (%d)", fs.gens.Current.URLs(), fs.pid)
	fs.m.beside.Announce()
	fs.log.Infof("Using worker: %s", p.Worker.WorkerClass)
	fs.shared.SayCertificates(&fs.gens.Current.Resources, fs.log, fs.sys.Now())
	for _, line := range p.StartLines(fs.opt.Interpreter) {
		fs.log.Infof("%s", line)
	}
	fs.m.hooks.then("when_ready", func(failed bool) {
		if failed {
			fs.m.stop.halt("", 1)
			return
		}
		fs.phase = serving
		if fs.m.reload.again {
			fs.m.reload.again = false
			fs.m.reload.begin()
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

// exitCode is 1 unless the error knows better.
func exitCode(err error) int {
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return 1
}
