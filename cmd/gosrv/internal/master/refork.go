package master

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

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
//	orderRefork    then it drains, and what it does last is to fork
//	adopt          the child is the generation's zygote, the old zygote ends
//	replaceOlder   the workers of the old zygote are replaced, one after the other
//
// Whatever fails on the way leaves the old zygote in its place.

// reforkPatience is how long a new zygote may take beyond the worker's drain.
const reforkPatience = 30 * time.Second

// reforkTries is how often a generation tries when a worker dies before it has forked.
const reforkTries = 3

// refork is how far that is. The zero value is: nothing yet.
type refork struct {
	generation int // of which this is told
	tries      int
	over       bool            // done, or it cannot be done
	model      *workers.Worker // until its drain is ordered
	pending    *zygote.Process // from then on, until it is adopted
	deadline   time.Time
	adopted    *zygote.Process
	last       int // age of the last worker of the old zygote, while they are replaced; 0: they are not
}

// tendRefork goes on with it. It costs a comparison where it is off.
func (m *Master) tendRefork(now time.Time) {
	g, r := m.gens.Current, &m.refork
	if g.Plan.Own.ReforkAfter == 0 && r.generation == 0 {
		return
	}
	if r.generation != g.Number {
		m.cancelRefork()
		*r = refork{generation: g.Number, over: g.Plan.Own.ReforkAfter == 0 || g.Plan.Own.Reload}
	}
	switch {
	case r.pending != nil:
		m.awaitPending(g, now)
	case r.model != nil:
		if c := m.table.ByAge(r.model.Age); c == nil || c.State != workers.Ready {
			r.model = nil // it has gone for another reason
		}
	case r.last > 0:
		m.replaceOlder(g)
	case !r.over:
		m.chooseModel(g)
	}
}

// chooseModel looks for a worker that has served enough. It is called after each event, and
// looks at shared memory only.
func (m *Master) chooseModel(g *generation.Generation) {
	if m.gens.Next != nil || !g.Up() {
		return
	}
	for _, c := range m.table.Of(g.Number) {
		if c.Counts() && c.State == workers.Ready && m.shared.Board.Snapshot(c.Slot).Requests >= uint64(g.Plan.Own.ReforkAfter) {
			m.refork.model, c.Departure = c, workers.Replaced
			m.log.Infof("Worker (pid:%d) is to become the parent of a new zygote", c.PID)
			return
		}
	}
}

// orderRefork is for the worker whose drain is about to be ordered. If this is the end of the server,
// or a reload has begun, it only leaves.
func (m *Master) orderRefork(c *workers.Worker, now time.Time) {
	r := &m.refork
	r.model = nil
	if m.phase != serving || m.gens.Next != nil || c.Generation != m.gens.Current.Number {
		return
	}
	library, err := m.sys.Library()
	if err != nil {
		m.reforkFailed(err.Error())
		return
	}
	defer m.sys.CloseFD(library)
	ch, peer, err := m.sys.Pair()
	if err != nil {
		m.reforkFailed(err.Error())
		return
	}
	defer m.sys.CloseFD(peer)
	r.tries++
	r.pending = &zygote.Process{Channel: ch, State: zygote.Loading, Origin: zygote.FromWorker, Started: now}
	r.deadline = now.Add(m.gens.Of(c.Generation).Grace() + reforkPatience)
	m.log.Debugf("Worker (pid:%d) is told to fork a zygote when it has drained", c.PID)
	m.instruct(c, workerctl.Refork{}, peer, library)
}

// awaitPending ends what takes too long, and lets a zygote that is ready take over when the old one
// owes no answer.
func (m *Master) awaitPending(g *generation.Generation, now time.Time) {
	z := m.refork.pending
	switch {
	case z.Forks() && m.hookWaited == "" && !m.table.Spawning() && (g.Zygote == nil || g.Zygote.Idle()):
		m.adopt(g, z)
	case !z.Forks() && !now.Before(m.refork.deadline):
		m.reforkFailed(fmt.Sprintf("nothing was heard of it for %.0fs", now.Sub(z.Started).Seconds()))
	}
}

// readPending reads what the new zygote has to say before it is adopted.
func (m *Master) readPending() {
	for z := m.refork.pending; z != nil && z == m.refork.pending; {
		typ, raw, err := z.Recv(m.sys.CloseFD)
		switch {
		case err != nil:
			m.pendingLost(z, err)
			return
		case typ == "":
			return
		}
		if err := m.fromPending(z, typ, raw); err != nil {
			m.log.Errorf("New zygote (pid:%d): %s: %v", z.PID, typ, err)
		}
	}
}

func (m *Master) fromPending(z *zygote.Process, typ string, raw json.RawMessage) error {
	switch typ {
	case "ZygoteForked":
		return receive(raw, func(msg zygotectl.ZygoteForked) { z.PID = msg.PID })
	case "Configured":
		return receive(raw, func(msg zygotectl.Configured) {
			z.Configured(zygote.Logging{Relay: msg.Relay, Level: msg.Level})
			for _, w := range msg.Warnings {
				m.log.Warningf("%s", w)
			}
		})
	case "Failed":
		return receive(raw, func(msg zygotectl.Failed) { m.reforkFailed(withTraceback(msg.Message, msg.Traceback)) })
	}
	return errors.New("unknown message")
}

// pendingLost handles the end of the channel. A worker that dies, by --timeout or by somebody's
// hand, is no fault of the method: another worker may do.
func (m *Master) pendingLost(z *zygote.Process, err error) {
	again := z.PID == 0 && m.refork.tries < reforkTries
	text := "it died"
	if z.PID == 0 {
		text = "the worker ended without it"
	}
	if reason := zygote.Reason(err); reason != "" {
		text = reason
	}
	m.reforkFailed(text)
	m.refork.over = !again
}

// reforkFailed gives it up for this generation.
func (m *Master) reforkFailed(text string) {
	m.cancelRefork()
	m.refork.over = true
	m.log.Warningf("No zygote of a worker: %s\nWorkers of generation %d are forked from the zygote that it has", text, m.gens.Current.Number)
}

// cancelRefork ends a zygote that is not adopted. One whose process is not known ends by its channel's
// end.
func (m *Master) cancelRefork() {
	r := &m.refork
	z := r.pending
	r.pending, r.model = nil, nil
	switch {
	case z == nil:
	case z.PID == 0:
		_ = z.Channel.Close()
	default:
		m.dismiss(z)
	}
}

// pendingDied handles the death of a zygote that is not adopted.
func (m *Master) pendingDied(pid int, status unix.WaitStatus) bool {
	z := m.refork.pending
	if z == nil || z.PID != pid {
		return false
	}
	m.readPending() // its last words
	if m.refork.pending == z {
		z.PID = 0
		m.reforkFailed("it " + describe(status))
	} else {
		m.died(pid, status)
	}
	return true
}

// adopt makes z the generation's zygote.
func (m *Master) adopt(g *generation.Generation, z *zygote.Process) {
	m.retireZygote(g.TakeZygote(), g.Number)
	g.Zygote = z
	r := &m.refork
	r.pending, r.adopted, r.over, r.last = nil, z, true, m.table.Ages
	m.lines.RelayThrough(z)
	m.tell(z, zygotectl.ReopenLogs{}, g.ErrorLog.FD()) // it has those of the worker
	m.tellWorkers(g)
	m.log.Infof("Zygote (pid:%d) of generation %d comes from a worker", z.PID, g.Number)
}

// replaceOlder lets the workers of the zygote before leave one after the other, so that it costs
// the memory of one worker.
func (m *Master) replaceOlder(g *generation.Generation) {
	if m.gens.Next != nil {
		return // the reload replaces them
	}
	if g.Zygote != m.refork.adopted {
		m.refork.last = 0 // it died, and what comes after it is as cold as what was before
		return
	}
	var oldest *workers.Worker
	for _, c := range m.table.Of(g.Number) {
		if c.State != workers.Ready || c.Departure != workers.Stays {
			return // one at a time
		}
		if c.Age <= m.refork.last && oldest == nil {
			oldest = c
		}
	}
	switch {
	case m.table.Serving(g.Number) < g.Workers: // one that died is replaced first
	case oldest != nil:
		oldest.Departure = workers.Replaced
	default:
		m.refork.last = 0
		m.log.Infof("All workers of generation %d come from the zygote (pid:%d)", g.Number, g.Zygote.PID)
	}
}
