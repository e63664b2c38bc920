// Package commands gives orders to a running master and waits for what comes of
// them: gosrv reload, stop, upgrade and status. The orders are the signals that
// Gunicorn's operators send by hand; the outcome is read from the master's
// status (package status).
package commands

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/certs"
	"gosrv/cmd/gosrv/internal/status"
	"gosrv/cmd/gosrv/internal/view"
)

// Exit codes. notRunning is what init scripts call "not running".
const (
	done       = 0
	failed     = 1
	misused    = 2
	notRunning = 3
)

const usage = `usage: gosrv reload|stop|upgrade|status|top [--pid FILE] [--wait SECONDS] [--json]

  reload    load configuration and code anew (HUP); fails if they do not load
  stop      finish what runs, then end (TERM)
  upgrade   start the binary anew beside the running one (USR2); once it serves, stop the old one
  status    say how the server is
  top       show how it is, second by second; gosrv top --help has the keys

  --pid FILE       the server's pidfile; without it, the only server of this user
  --wait SECONDS   give up waiting, not the order, after this time (default 120)
  --json           status: all that is known, as /status.json of metrics_bind has it (docs/status.schema.json)
`

var orders = map[string]func(*order) error{"reload": reload, "stop": stop, "upgrade": replace, "status": show}

// Is tells whether a command line is an order to a running server. Such words
// take precedence over an application module of that name, which can be named
// as status:application.
func Is(args []string) bool { return len(args) > 1 && orders[args[1]] != nil }

// IsTop tells whether it is `gosrv top`, which is the other program's.
func IsTop(args []string) bool { return len(args) > 1 && args[1] == "top" }

// order is one order to one master.
type order struct {
	before   status.Status // when the order was given
	pidfile  string
	out      io.Writer
	deadline time.Time
	json     bool
}

// Run carries out args (the order first) and gives the exit code.
func Run(args []string, out, errors io.Writer) int {
	flags := flag.NewFlagSet("gosrv "+args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	pidfile := flags.String("pid", "", "")
	flags.StringVar(pidfile, "p", "", "")
	wait := flags.Float64("wait", 120, "")
	asJSON := flags.Bool("json", false, "")
	if err := flags.Parse(args[1:]); err == flag.ErrHelp {
		fmt.Fprint(out, usage)
		return done
	} else if err != nil || flags.NArg() > 0 || *asJSON && args[0] != "status" {
		fmt.Fprint(errors, usage)
		return misused
	}
	before, err := status.Find(*pidfile)
	if err != nil {
		fmt.Fprintf(errors, "gosrv %s: %v\n", args[0], err)
		return notRunning
	}
	o := &order{before: before, pidfile: *pidfile, out: out, json: *asJSON, deadline: time.Now().Add(time.Duration(*wait * float64(time.Second)))}
	if err := orders[args[0]](o); err != nil {
		fmt.Fprintf(errors, "gosrv %s: %v\n", args[0], err)
		return failed
	}
	return done
}

// signal gives the order.
func (o *order) signal(sig unix.Signal) error {
	if err := unix.Kill(o.before.PID, sig); err != nil {
		return fmt.Errorf("signalling process %d: %w", o.before.PID, err)
	}
	return nil
}

// pause between two looks. The status is a memory file: a look costs little.
const pause = 20 * time.Millisecond

var errWaited = errors.New("no outcome in the time given by --wait; the order stands")

// until looks again and again. What ends the waiting is look's word, the
// master's end, or the time.
func (o *order) until(look func(status.Status) (bool, error)) error {
	for time.Now().Before(o.deadline) {
		now, err := status.Read(o.before.PID)
		if errors.Is(err, status.ErrNoMaster) {
			return fmt.Errorf("the master (pid %d) has ended, see its log", o.before.PID)
		}
		if err != nil {
			return err
		}
		if over, err := look(now); over || err != nil {
			return err
		}
		time.Sleep(pause)
	}
	return errWaited
}

// gone waits for the end of the master.
func (o *order) gone() error {
	for time.Now().Before(o.deadline) {
		if _, err := status.Read(o.before.PID); errors.Is(err, status.ErrNoMaster) {
			return nil
		}
		time.Sleep(pause)
	}
	return errWaited
}

func reload(o *order) error {
	if err := o.signal(unix.SIGHUP); err != nil {
		return err
	}
	return o.until(func(s status.Status) (bool, error) {
		switch {
		case s.Reloaded <= o.before.Reloads:
			return false, nil
		case s.ReloadError != "":
			return true, fmt.Errorf("generation %d serves on with the old code and settings:\n%s", s.Generation, s.ReloadError)
		}
		fmt.Fprintf(o.out, "Generation %d serves\n", s.Generation)
		return true, nil
	})
}

func stop(o *order) error {
	if err := o.signal(unix.SIGTERM); err != nil {
		return err
	}
	return o.gone()
}

// replace waits for the new master to serve before the old one is told to go.
func replace(o *order) error {
	if o.before.Parent != 0 {
		return fmt.Errorf("process %d is the new master of an upgrade under way, beside process %d", o.before.PID, o.before.Parent)
	}
	if o.before.Upgrade == status.UpgradeStarted || o.before.Upgrade == status.UpgradeReady {
		return fmt.Errorf("an upgrade is under way, its new master is process %d", o.before.UpgradePID)
	}
	if err := o.signal(unix.SIGUSR2); err != nil {
		return err
	}
	fresh := 0
	err := o.until(func(s status.Status) (bool, error) {
		switch {
		case s.Upgrades <= o.before.Upgrades || s.Upgrade == status.UpgradeStarted:
			return false, nil
		case s.Upgrade == status.UpgradeFailed:
			return true, fmt.Errorf("%s; the old master (pid %d) serves on", s.UpgradeError, s.PID)
		}
		fresh = s.UpgradePID
		return true, nil
	})
	if err == nil {
		err = o.signal(unix.SIGTERM)
	}
	if err == nil {
		err = o.gone()
	}
	if err != nil {
		return err
	}
	return o.promoted(fresh)
}

// promoted waits until the new master knows that it is the only one: from then
// on the pidfile names it.
func (o *order) promoted(pid int) error {
	fresh := &order{before: status.Status{PID: pid}, deadline: o.deadline}
	return fresh.until(func(s status.Status) (bool, error) {
		if s.Parent != 0 {
			return false, nil
		}
		fmt.Fprintf(o.out, "gosrv %s serves (pid %d)\n", s.Version, pid)
		return true, nil
	})
}

// showJSON says all that is known.
func showJSON(o *order) error {
	source, err := view.Open(o.before.PID)
	if err != nil {
		return err
	}
	defer source.Close()
	r, err := source.Read()
	if err != nil {
		return err
	}
	out := json.NewEncoder(o.out)
	out.SetIndent("", "  ")
	return out.Encode(r.Snapshot(view.ProportionalOf))
}

func show(o *order) error {
	if o.json {
		return showJSON(o)
	}
	s := o.before
	fmt.Fprintf(o.out, "gosrv %s (pid %d): %s\napplication: %s\ngeneration: %d\nworkers: %d of %d ready\n",
		s.Version, s.PID, s.Phase, s.App, s.Generation, s.Ready, s.Workers)
	if s.Parent != 0 {
		fmt.Fprintf(o.out, "upgrade: this is the new master, beside process %d\n", s.Parent)
	}
	if s.Upgrade != "" {
		fmt.Fprintf(o.out, "upgrade: %s (pid %d) %s\n", s.Upgrade, s.UpgradePID, s.UpgradeError)
	}
	if s.ReloadError != "" {
		fmt.Fprintf(o.out, "last reload failed:\n%s\n", s.ReloadError)
	}
	for _, c := range s.Certificates {
		if c.Until != 0 {
			fmt.Fprintf(o.out, "certificate: %s (%s, %s): %s\n", c.Names, c.Key, c.File, certs.Left(time.Unix(c.Until, 0), time.Now()))
		}
	}
	if s.Phase != status.Serving {
		return fmt.Errorf("the server is %s", s.Phase)
	}
	return nil
}
