package master

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/workerctl"
)

// With refork_after a worker that has served so many requests becomes the parent of the
// generation's next zygote, once a generation:
//
//	chooseMother   it is spent, as one with max_requests: its successor comes up first
//	orderBirth     then it drains, and what it does last is to fork
//	adopt          the child is the generation's zygote, the old zygote ends
//	replaceOlder   the workers of the old zygote are spent, one after the other
//
// Whatever fails on the way leaves the old zygote in its place.

// birthPatience is how long a new zygote may take beyond its mother's drain.
const birthPatience = 30 * time.Second

// birthTries is how often a generation tries when a mother dies before she has forked.
const birthTries = 3

// refork is how far that is. The zero value is: nothing yet.
type refork struct {
	generation int // of which this is told
	tries      int
	over       bool            // done, or it cannot be done
	mother     *workers.Worker // until her drain is ordered
	unborn     *zygote         // from then on, until it is adopted
	deadline   time.Time
	adopted    *zygote
	last       int // age of the last worker of the old zygote, while they are replaced; 0: they are not
}

// tendRefork goes on with it. It costs a comparison where it is off.
func (m *Master) tendRefork(now time.Time) {
	g, r := m.current, &m.refork
	if g.plan.Own.ReforkAfter == 0 && r.generation == 0 {
		return
	}
	if r.generation != g.number {
		m.miscarry()
		*r = refork{generation: g.number, over: g.plan.Own.ReforkAfter == 0 || g.plan.Own.Reload}
	}
	switch {
	case r.unborn != nil:
		m.awaitBirth(g, now)
	case r.mother != nil:
		if c := m.table.ByAge(r.mother.Age); c == nil || c.State != workers.Ready {
			r.mother = nil // she has gone for another reason
		}
	case r.last > 0:
		m.replaceOlder(g)
	case !r.over:
		m.chooseMother(g)
	}
}

// chooseMother looks for a worker that has served enough. It is called after each event, and
// looks at shared memory only.
func (m *Master) chooseMother(g *generation) {
	if m.next != nil || !g.up() {
		return
	}
	for _, c := range m.table.Of(g.number) {
		if c.Counts() && c.State == workers.Ready && m.board.Snapshot(c.Slot).Requests >= uint64(g.plan.Own.ReforkAfter) {
			m.refork.mother, c.Departure = c, workers.Replaced
			m.log.Infof("Worker (pid:%d) is to become the parent of a new zygote", c.PID)
			return
		}
	}
}

// orderBirth is for a mother whose drain is about to be ordered. If this is the end of the server,
// or a reload has begun, she only leaves.
func (m *Master) orderBirth(c *workers.Worker, now time.Time) {
	r := &m.refork
	r.mother = nil
	if m.phase != serving || m.next != nil || c.Generation != m.current.number {
		return
	}
	library, err := m.sys.Library()
	if err != nil {
		m.birthFailed(err.Error())
		return
	}
	defer m.sys.CloseFD(library)
	ch, peer, err := m.sys.Pair()
	if err != nil {
		m.birthFailed(err.Error())
		return
	}
	defer m.sys.CloseFD(peer)
	r.tries++
	r.unborn = &zygote{ch: ch, started: now}
	r.deadline = now.Add(m.grace(c) + birthPatience)
	m.log.Debugf("Worker (pid:%d) is told to fork a zygote when it has drained", c.PID)
	m.instruct(c, workerctl.Refork{}, peer, library)
}

// awaitBirth ends what takes too long, and lets a zygote that is ready take over when the old one
// owes no answer.
func (m *Master) awaitBirth(g *generation, now time.Time) {
	z := m.refork.unborn
	switch {
	case z.configured && m.hookWaited == "" && !m.table.Spawning() && (g.zygote == nil || len(g.zygote.tasks) == 0):
		m.adopt(g, z)
	case !z.configured && !now.Before(m.refork.deadline):
		m.birthFailed(fmt.Sprintf("nothing was heard of it for %.0fs", now.Sub(z.started).Seconds()))
	}
}

// readUnborn reads what the new zygote has to say before it is adopted.
func (m *Master) readUnborn() {
	for z := m.refork.unborn; z != nil && z == m.refork.unborn; {
		typ, raw, err := m.recv(z.ch)
		if err != nil {
			if !errors.Is(err, workerctl.ErrWouldBlock) {
				m.unbornLost(z, err)
			}
			return
		}
		if err := m.fromUnborn(z, typ, raw); err != nil {
			m.log.Errorf("New zygote (pid:%d): %s: %v", z.pid, typ, err)
		}
	}
}

func (m *Master) fromUnborn(z *zygote, typ string, raw json.RawMessage) error {
	switch typ {
	case "Reborn":
		return receive(raw, func(msg zygotectl.Reborn) { z.pid = msg.PID })
	case "Configured":
		return receive(raw, func(msg zygotectl.Configured) {
			z.configured, z.relays, z.level = true, msg.Relay, msg.Level
			for _, w := range msg.Warnings {
				m.log.Warningf("%s", w)
			}
		})
	case "Failed":
		return receive(raw, func(msg zygotectl.Failed) { m.birthFailed(withTraceback(msg.Message, msg.Traceback)) })
	}
	return errors.New("unknown message")
}

// unbornLost handles the end of the channel. A mother that dies, by --timeout or by somebody's
// hand, is no fault of the method: another worker may do.
func (m *Master) unbornLost(z *zygote, err error) {
	again := z.pid == 0 && m.refork.tries < birthTries
	text := "it died"
	if z.pid == 0 {
		text = "the worker ended without it"
	}
	if err != io.EOF {
		text = err.Error()
	}
	m.birthFailed(text)
	m.refork.over = !again
}

// birthFailed gives it up for this generation.
func (m *Master) birthFailed(text string) {
	m.miscarry()
	m.refork.over = true
	m.log.Warningf("No zygote of a worker: %s\nWorkers of generation %d are forked from the zygote that it has", text, m.current.number)
}

// miscarry ends a zygote that is not adopted. One whose process is not known ends by its channel's
// end.
func (m *Master) miscarry() {
	r := &m.refork
	z := r.unborn
	r.unborn, r.mother = nil, nil
	switch {
	case z == nil:
	case z.pid == 0:
		_ = z.ch.Close()
	default:
		m.dismiss(&generation{zygote: z})
	}
}

// unbornDied handles the death of a zygote that is not adopted.
func (m *Master) unbornDied(pid int, status unix.WaitStatus) bool {
	z := m.refork.unborn
	if z == nil || z.pid != pid {
		return false
	}
	m.readUnborn() // its last words
	if m.refork.unborn == z {
		z.pid = 0
		m.birthFailed("it " + describe(status))
	} else {
		m.died(pid, status)
	}
	return true
}

// adopt makes z the generation's zygote.
func (m *Master) adopt(g *generation, z *zygote) {
	m.retireZygote(&generation{number: g.number, zygote: g.zygote})
	g.zygote = z
	r := &m.refork
	r.unborn, r.adopted, r.over, r.last = nil, z, true, m.table.Ages
	m.relayThrough(z)
	m.tell(z, zygotectl.ReopenLogs{}, g.errorLog.FD()) // it has those of its mother
	m.introduce(g)
	m.log.Infof("Zygote (pid:%d) of generation %d comes from a worker", z.pid, g.number)
}

// replaceOlder lets the workers of the zygote before leave one after the other, so that it costs
// the memory of one worker.
func (m *Master) replaceOlder(g *generation) {
	if m.next != nil {
		return // the reload replaces them
	}
	if g.zygote != m.refork.adopted {
		m.refork.last = 0 // it died, and what comes after it is as cold as what was before
		return
	}
	var oldest *workers.Worker
	for _, c := range m.table.Of(g.number) {
		if c.State != workers.Ready || c.Departure != workers.Stays {
			return // one at a time
		}
		if c.Age <= m.refork.last && oldest == nil {
			oldest = c
		}
	}
	switch {
	case m.table.Serving(g.number) < g.workers: // one that died is replaced first
	case oldest != nil:
		oldest.Departure = workers.Replaced
	default:
		m.refork.last = 0
		m.log.Infof("All workers of generation %d come from the zygote (pid:%d)", g.number, g.zygote.pid)
	}
}
