package master

import (
	"slices"
	"strings"
	"time"

	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/pidfile"
	"gosrv/cmd/gosrv/internal/status"
	"gosrv/cmd/gosrv/internal/systemd"
	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/cmd/gosrv/internal/zygote"
	"gosrv/wsgi/ipc/scoreboard"
)

const (
	// quietTime bounds the wait for the word of workers on their way out that they
	// accept nothing more: one that is stopped will not say it.
	quietTime = time.Second
	// engaged is how long a request must have run for its worker not to be waited
	// for: well above the time after which a worker reads its orders first.
	engaged = 100 * time.Millisecond
)

// outcome is what came of a reload and is not told yet.
type outcome struct {
	hups    int    // that it answers
	failure string // "" for success
	until   time.Time
}

// reload is what HUP asks for.
type reload struct {
	*server
	m        *Master
	outcome  *outcome // of one, not told yet, else nil
	again    bool     // a HUP came while one was being obeyed
	hups     int      // received
	answered int      // by reloads that have come to an end
	failure  string   // of the last one
	failed   int      // how many failed
	history  status.History
}

// A reload brings up a second generation beside the first:
//
//	begin       next = new generation, its zygote evaluates the config file
//	loaded      its sockets are bound; on_reload
//	  balance   its workers are forked and import the application (pool)
//	complete    all are ready: current = next, the old ones are retired
//	abort       at any point before: next is ended, current serves on
//	tell        none of those who leave accepts connections any more

// begin obeys HUP.
func (r *reload) begin() {
	if r.phase == starting || r.gens.Next != nil || r.outcome != nil {
		r.again = true // the newest code counts: once more when this is done
		r.giveUp(r.sys.Now())
		return
	}
	r.log.Infof("Hang up: %s", r.m.upgrade.name())
	r.m.announce.tell(systemd.Reloading(r.sys.Monotonic())...)
	r.gens.Next = r.gens.Begin()
	r.gens.Next.HUPs = r.hups
	if r.m.seeds.take(r.gens.Next) {
		r.m.zygotes.orderConfig(r.gens.Next)
		return
	}
	r.m.zygotes.start(r.gens.Next)
}

// loaded goes on when config file (and application, if preloaded) of the
// new generation are loaded.
func (r *reload) loaded() {
	next := r.gens.Next
	r.m.first.notices(next.Plan)
	r.shared.SayCertificates(&next.Resources, r.log, r.sys.Now())
	if r.opt.Activated != nil || slices.Equal(r.gens.Current.Plan.Addrs, next.Plan.Addrs) {
		next.Sockets = r.gens.Current.Sockets
		r.runHooks()
		return
	}
	next.Zygote.Hold() // no workers before they have sockets
	r.sys.Bind(next.Plan.Addrs, next.Plan.SocketOptions(), r.gens.Current.Sockets, func(set listen.Set, err error) {
		next.Sockets = set
		if r.gens.Next != next || next.Zygote == nil || r.phase != serving {
			next.CloseSockets(r.gens.Current.Sockets)
			return
		}
		if err != nil {
			r.m.hint(err)
			r.abort(err.Error())
			return
		}
		r.log.Infof("Listening at: %s (%d)", next.URLs(), r.pid)
		next.Zygote.Release()
		r.runHooks()
	})
}

// runHooks runs them in Gunicorn's order, the first one even if the
// number stays the same.
func (r *reload) runHooks() {
	r.m.hooks.order("nworkers_changed", r.gens.Next.Workers, r.gens.Current.Workers)
	r.m.hooks.order("on_reload")
}

// movePidfile writes the new file before it removes the old one.
func (u *succession) movePidfile(path string) {
	if path == u.pidfile {
		return
	}
	if path != "" {
		if err := pidfile.Create(path, u.pid); err != nil {
			u.log.Errorf("%v", err)
			return
		}
	}
	if u.pidfile != "" {
		pidfile.Remove(u.pidfile, u.pid)
	}
	u.pidfile = path
}

// wanted is how many workers a generation is to have now. With
// reload_one_by_one a reload costs the memory of one worker, not of all: the
// new generation gets another one when its last is ready and the old one that
// this has replaced has gone.
func (r *reload) wanted(g *generation.Generation) int {
	next := r.gens.Next
	if next == nil || next.Plan == nil || !next.Plan.Own.OneByOne {
		return g.Workers
	}
	fresh := len(next.Established)
	switch {
	case g == r.gens.Current:
		return max(0, g.Workers-fresh)
	case r.table.Leaving(r.gens.Current.Number):
		return min(g.Workers, fresh)
	}
	return min(g.Workers, fresh+1)
}

// lacks tells whether the generation has fewer workers than it is to have.
func (r *reload) lacks(g *generation.Generation) bool {
	missing, _ := r.table.Plan(g.Number, r.wanted(g), g.ReusesPort())
	return missing > 0
}

// complete hands over once every place of the new generation has had a
// worker that was ready, and one serves now. Those that a request has killed
// since are being replaced: waiting for all at the same time might never end.
func (r *reload) complete() {
	next := r.gens.Next
	if next == nil || !next.Up() || len(next.Established) < next.Workers || r.table.Serving(next.Number) < min(1, next.Workers) {
		return
	}
	old := r.gens.Current
	r.gens.Next, r.gens.Current = nil, next
	now := r.sys.Now()
	for _, c := range r.table.Except(next.Number) { // first: they answer with the old code until they read it
		r.m.workers.retire(c, now)
	}
	r.m.zygotes.retire(old.TakeZygote(), old.Number)
	r.m.release(&old.Resources, next.Sockets)
	r.lines.Follow(&next.Targets, next.Plan.Worker.LogLevel)
	r.lines.RelayThrough(next.Zygote)
	old.Close()
	old.CloseCertificates()
	r.m.upgrade.movePidfile(r.m.upgrade.pidfilePath(next.Plan))
	r.m.upgrade.showTitle()
	r.log.Infof("Generation %d serves", next.Number)
	r.ended(next, "")
}

// abort ends the new generation; the old one never stopped serving.
func (r *reload) abort(text string) {
	next := r.gens.Next
	if next == nil {
		return
	}
	r.log.Errorf("%s\nReload failed: generation %d serves on with the old code and settings", text, r.gens.Current.Number)
	r.m.zygotes.dismiss(next.TakeZygote())
	now := r.sys.Now()
	for _, c := range r.table.Of(next.Number) {
		r.m.workers.retire(c, now)
	}
	next.CloseSockets(r.gens.Current.Sockets)
	next.Close()
	next.CloseCertificates()
	r.gens.Next = nil
	r.ended(next, text)
}

// ended notes the outcome of a reload; failure is "" for success.
func (r *reload) ended(g *generation.Generation, failure string) {
	r.history.Remember(status.Reload{At: r.sys.Now().Unix(), Generation: g.Number, Error: failure})
	if failure != "" {
		r.failed++
	}
	r.outcome = &outcome{hups: g.HUPs, failure: failure, until: r.sys.Now().Add(quietTime)}
}

// tell tells what came of a reload once whoever connects now will meet
// no worker of another generation.
func (r *reload) tell(now time.Time) {
	o := r.outcome
	if o == nil || r.phase == serving && now.Before(o.until) && slices.ContainsFunc(r.table.List, r.mayAccept) {
		return
	}
	r.outcome = nil
	r.answered, r.failure = o.hups, o.failure
	r.m.announce.serving()
	r.onceMore()
}

// mayAccept tells whether a worker that was told to leave with its generation
// may still take a connection. One that has yet to begin, or one thread that is
// inside the application, reads its orders before it does.
func (r *reload) mayAccept(c *workers.Worker) bool {
	if c.Generation == r.gens.Current.Number || c.State == workers.Finishing || c.Force == workers.Killed || c.Channel == nil {
		return false
	}
	s := r.shared.Board.Snapshot(c.Slot)
	if s.State < scoreboard.Idle {
		return false
	}
	return !c.OneThread || s.Start == 0 || time.Duration(r.sys.Monotonic()-s.Start) < engaged
}

// onceMore obeys a HUP that came during the reload.
func (r *reload) onceMore() {
	if r.again && r.phase == serving {
		r.again = false
		r.begin()
	}
}

// application is what the modules of the standard library that it loads depend on.
func (zs *zygotes) application(g *generation.Generation) string {
	if g.Plan == nil {
		return ""
	}
	return strings.Join([]string{g.Plan.App, g.Plan.Own.Chdir, zs.opt.Image.Python, zs.opt.Interpreter, zs.opt.Version}, "\x00")
}

// retire ends the zygote of a generation that no longer serves, unless a
// hook of it left something behind that has to live on: on_starting and
// when_ready are run only once.
func (zs *zygotes) retire(z *zygote.Process, generation int) {
	if z == nil || !z.Keeps {
		zs.dismiss(z)
		return
	}
	zs.lines.StopRelaying(z)
	zs.retained = append(zs.retained, z)
	zs.log.Debugf("Zygote (pid:%d) of generation %d stays for what its hooks have started", z.PID, generation)
}

// renew gives a generation a zygote that has imported nothing, and other workers.
func (zs *zygotes) renew(g *generation.Generation) {
	zs.dismiss(g.TakeZygote())
	zs.start(g)
	for _, c := range zs.table.Of(g.Number) {
		zs.m.workers.retire(c, zs.sys.Now())
	}
}
