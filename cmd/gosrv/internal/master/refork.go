package master

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/exits"
	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/cmd/gosrv/internal/zygote"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/workerctl"
)

// With refork_after a worker that has served so many requests becomes the parent of the
// generation's next zygote, once a generation:
//
//	chooseModel    it is to be replaced, as one with max_requests: its successor comes up first
//	order          then it drains, and what it does last is to fork
//	adopt          the child is the generation's zygote, the old zygote ends
//	replaceOlder   the workers of the old zygote are replaced, one after the other
//
// Whatever fails on the way leaves the old zygote in its place.

// reforkPatience is how long a new zygote may take beyond the worker's drain.
const reforkPatience = 30 * time.Second

// reforkTries is how often a generation tries when a worker dies before it has forked.
const reforkTries = 3

// refork carries it out.
type refork struct {
	*server
	m       *Master
	attempt attempt
}

// attempt is how far that is. The zero value is: nothing yet.
type attempt struct {
	generation int // of which this is told
	tries      int
	over       bool            // done, or it cannot be done
	model      *workers.Worker // until its drain is ordered
	pending    *zygote.Process // from then on, until it is adopted
	deadline   time.Time
	adopted    *zygote.Process
	last       int // age of the last worker of the old zygote, while they are replaced; 0: they are not
}

// tend goes on with it. It costs a comparison where it is off.
func (rf *refork) tend(now time.Time) {
	g, r := rf.gens.Current, &rf.attempt
	if g.Plan.Own.ReforkAfter == 0 && r.generation == 0 {
		return
	}
	if r.generation != g.Number {
		rf.cancel()
		*r = attempt{generation: g.Number, over: g.Plan.Own.ReforkAfter == 0 || g.Plan.Own.Reload}
	}
	switch {
	case r.pending != nil:
		rf.awaitPending(g, now)
	case r.model != nil:
		if c := rf.table.ByAge(r.model.Age); c == nil || c.State != workers.Ready {
			r.model = nil // it has gone for another reason
		}
	case r.last > 0:
		rf.replaceOlder(g)
	case !r.over:
		rf.chooseModel(g)
	}
}

// chooseModel looks for a worker that has served enough. It is called after each event, and
// looks at shared memory only.
func (rf *refork) chooseModel(g *generation.Generation) {
	if rf.gens.Next != nil || !g.Up() {
		return
	}
	for _, c := range rf.table.Of(g.Number) {
		if c.Counts() && c.State == workers.Ready && rf.shared.Board.Snapshot(c.Slot).Requests >= uint64(g.Plan.Own.ReforkAfter) {
			rf.attempt.model, c.Departure = c, workers.Replaced
			rf.log.Infof("Worker (pid:%d) is to become the parent of a new zygote", c.PID)
			return
		}
	}
}

// order is for the worker whose drain is about to be ordered. If this is the end of the server,
// or a reload has begun, it only leaves.
func (rf *refork) order(c *workers.Worker, now time.Time) {
	r := &rf.attempt
	r.model = nil
	if rf.phase != serving || rf.gens.Next != nil || c.Generation != rf.gens.Current.Number {
		return
	}
	library, err := rf.sys.Library()
	if err != nil {
		rf.failed(err.Error())
		return
	}
	defer rf.sys.CloseFD(library)
	ch, peer, err := rf.sys.Pair()
	if err != nil {
		rf.failed(err.Error())
		return
	}
	defer rf.sys.CloseFD(peer)
	r.tries++
	r.pending = &zygote.Process{Channel: ch, State: zygote.Loading, Origin: zygote.FromWorker, Started: now}
	r.deadline = now.Add(rf.gens.Of(c.Generation).Grace() + reforkPatience)
	rf.log.Debugf("Worker (pid:%d) is told to fork a zygote when it has drained", c.PID)
	rf.m.workers.instruct(c, workerctl.Refork{}, peer, library)
}

// awaitPending ends what takes too long, and lets a zygote that is ready take over when the old one
// owes no answer.
func (rf *refork) awaitPending(g *generation.Generation, now time.Time) {
	z := rf.attempt.pending
	switch {
	case z.Forks() && rf.m.hooks.waited == "" && !rf.table.Spawning() && (g.Zygote == nil || g.Zygote.Idle()):
		rf.adopt(g, z)
	case !z.Forks() && !now.Before(rf.attempt.deadline):
		rf.failed(fmt.Sprintf("nothing was heard of it for %.0fs", now.Sub(z.Started).Seconds()))
	}
}

// read reads what the new zygote has to say before it is adopted.
func (rf *refork) read() {
	for z := rf.attempt.pending; z != nil && z == rf.attempt.pending; {
		typ, raw, err := z.Recv(rf.sys.CloseFD)
		switch {
		case err != nil:
			rf.pendingLost(z, err)
			return
		case typ == "":
			return
		}
		if err := rf.heard(z, typ, raw); err != nil {
			rf.log.Errorf("New zygote (pid:%d): %s: %v", z.PID, typ, err)
		}
	}
}

func (rf *refork) heard(z *zygote.Process, typ string, raw json.RawMessage) error {
	switch typ {
	case "ZygoteForked":
		return receive(raw, func(msg zygotectl.ZygoteForked) { z.PID = msg.PID })
	case "Configured":
		return receive(raw, func(msg zygotectl.Configured) {
			z.Configured(zygote.Logging{Relay: msg.Relay, Level: msg.Level})
			for _, w := range msg.Warnings {
				rf.log.Warningf("%s", w)
			}
		})
	case "Failed":
		return receive(raw, func(msg zygotectl.Failed) { rf.failed(withTraceback(msg.Message, msg.Traceback)) })
	}
	return errors.New("unknown message")
}

// pendingLost handles the end of the channel. A worker that dies, by --timeout or by somebody's
// hand, is no fault of the method: another worker may do.
func (rf *refork) pendingLost(z *zygote.Process, err error) {
	again := z.PID == 0 && rf.attempt.tries < reforkTries
	text := "it died"
	if z.PID == 0 {
		text = "the worker ended without it"
	}
	if reason := zygote.Reason(err); reason != "" {
		text = reason
	}
	rf.failed(text)
	rf.attempt.over = !again
}

// failed gives it up for this generation.
func (rf *refork) failed(text string) {
	rf.cancel()
	rf.attempt.over = true
	rf.log.Warningf("No zygote of a worker: %s\nWorkers of generation %d are forked from the zygote that it has", text, rf.gens.Current.Number)
}

// cancel ends a zygote that is not adopted. One whose process is not known ends by its channel's
// end.
func (rf *refork) cancel() {
	r := &rf.attempt
	z := r.pending
	r.pending, r.model = nil, nil
	switch {
	case z == nil:
	case z.PID == 0:
		_ = z.Channel.Close()
	default:
		rf.m.zygotes.dismiss(z)
	}
}

// died handles the death of a zygote that is not adopted.
func (rf *refork) died(pid int, status unix.WaitStatus) bool {
	z := rf.attempt.pending
	if z == nil || z.PID != pid {
		return false
	}
	rf.read() // its last words
	if rf.attempt.pending == z {
		z.PID = 0
		rf.failed("it " + exits.Describe(status))
	} else {
		rf.m.died(pid, status)
	}
	return true
}

// adopt makes z the generation's zygote.
func (rf *refork) adopt(g *generation.Generation, z *zygote.Process) {
	rf.m.zygotes.retire(g.TakeZygote(), g.Number)
	g.Zygote = z
	r := &rf.attempt
	r.pending, r.adopted, r.over, r.last = nil, z, true, rf.table.Ages
	rf.lines.RelayThrough(z)
	rf.m.zygotes.tell(z, zygotectl.ReopenLogs{}, g.ErrorLog.FD()) // it has those of the worker
	rf.m.hooks.tellWorkers(g)
	rf.log.Infof("Zygote (pid:%d) of generation %d comes from a worker", z.PID, g.Number)
}

// replaceOlder lets the workers of the zygote before leave one after the other, so that it costs
// the memory of one worker.
func (rf *refork) replaceOlder(g *generation.Generation) {
	if rf.gens.Next != nil {
		return // the reload replaces them
	}
	if g.Zygote != rf.attempt.adopted {
		rf.attempt.last = 0 // it died, and what comes after it is as cold as what was before
		return
	}
	var oldest *workers.Worker
	for _, c := range rf.table.Of(g.Number) {
		if c.State != workers.Ready || c.Departure != workers.Stays {
			return // one at a time
		}
		if c.Age <= rf.attempt.last && oldest == nil {
			oldest = c
		}
	}
	switch {
	case rf.table.Serving(g.Number) < g.Workers: // one that died is replaced first
	case oldest != nil:
		oldest.Departure = workers.Replaced
	default:
		rf.attempt.last = 0
		rf.log.Infof("All workers of generation %d come from the zygote (pid:%d)", g.Number, g.Zygote.PID)
	}
}
