package wsgi

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"gosrv/wsgi/http1"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/loop"
	"gosrv/wsgi/response"
)

const (
	// gilLooks is into how many parts the time-out is divided for looking
	// whether the GIL is to be had.
	gilLooks = 4
	// holdLook is when a request is looked at again whose interim answer was on
	// its way.
	holdLook = int64(5 * time.Millisecond)
	// gilPatience is how long the GIL is waited for before Python counts as stuck.
	gilPatience = 100 * time.Millisecond
	// catchUp is what a process that has stood still (SIGSTOP, a frozen
	// container, a machine without time for it) gets before it is judged.
	catchUp = 250 * time.Millisecond
	// stacksEvery is how often the stacks are written at most: requests that
	// began together are late together.
	stacksEvery = int64(time.Second)
)

// watchdog finds requests that are too long inside the application, and a GIL
// that nobody can take. It is a goroutine that never enters Python but by
// probe and stacks, sleeps until the oldest request would be too late, and
// looks at nothing but the slots' claims. What it finds is answered with 504 if
// nothing was said, logged with the stacks of all threads, and told to the
// master, which ends the worker by SIGABRT and SIGKILL.
type watchdog struct {
	w      *worker
	slots  []*slot                          // those that enter the application: w.slots gets the relief's at any time
	limit  int64                            // of a request of the crew or of a main thread that serves, ns; 0: none
	main   int64                            // of what the main thread of a crew does in Python; 0: none
	gil    int64                            // of taking the GIL; 0: none
	probe  func()                           // takes the GIL and gives it back; nil: not looked at
	stacks func(late, idle []uint64) string // cpython.Stacks; nil: none

	asked    int64        // CLOCK_MONOTONIC ns of the probe under way, 0: none
	answered atomic.Int64 // the last probe that came back
	printed  int64        // CLOCK_MONOTONIC ns of the last stacks
	told     bool         // the master knows
	due      int64        // CLOCK_MONOTONIC ns of the next look
	spared   bool         // the last look was put off
	stop     chan struct{}
	done     chan struct{} // nil: not started
}

// victim is a request that took too long.
type victim struct {
	text     string // its line in the log, without the worker
	ident    uint64 // of its thread
	critical bool   // the worker cannot go on: not a request of the crew
}

// newWatchdog is nil if no setting asks for one.
func newWatchdog(w *worker) *watchdog {
	timeout, limit := int64(w.set.timeout), int64(w.set.request)
	if timeout == 0 && limit == 0 {
		return nil
	}
	if w.set.sync && timeout > 0 && (limit == 0 || timeout < limit) {
		limit = timeout
	}
	return &watchdog{
		w: w, limit: limit, main: timeout, gil: timeout, probe: w.probe, stacks: w.stacks,
		stop: make(chan struct{}),
	}
}

// startWatchdog begins to watch. The slots that enter the application are all
// there.
func (w *worker) startWatchdog() {
	if w.watch == nil {
		return
	}
	// It must run while the main thread waits in a system call of its own.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), 2))
	w.watch.slots = slices.DeleteFunc(slices.Clone(w.slots), (*slot).relieves)
	w.watch.done = make(chan struct{})
	go w.watch.run()
}

// end stops the watching.
func (d *watchdog) end() {
	if d != nil && d.done != nil {
		close(d.stop)
		<-d.done
	}
}

func (d *watchdog) run() {
	defer close(d.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-timer.C:
			now, wait := loop.Now(), int64(catchUp)
			if !d.stoodStill(now) {
				wait = d.look(now)
			}
			d.due = now + min(wait, math.MaxInt64-now)
			timer.Reset(time.Duration(wait))
		}
	}
}

// stoodStill tells whether the watchdog itself comes so late that the process
// cannot have run: what it would measure is not the application's time. A look
// is put off for that once, never twice in a row.
func (d *watchdog) stoodStill(now int64) bool {
	d.spared = !d.spared && d.due > 0 && now-d.due > int64(catchUp)
	return d.spared
}

// look finds what is late now, and says for how many ns nothing else can be.
func (d *watchdog) look(now int64) int64 {
	next := int64(math.MaxInt64)
	var found []victim
	for _, s := range d.slots {
		if limit := d.limitOf(s); limit > 0 && !d.wantsGIL(s) {
			v, left := d.examine(s, now, limit)
			if v != nil {
				found = append(found, *v)
			}
			next = min(next, left)
		}
	}
	if d.gil > 0 && d.probe != nil {
		stuck, left := d.examineGIL(now)
		if stuck {
			found = append(found, d.takeAll(now)...)
		}
		next = min(next, left)
	}
	if len(found) > 0 {
		d.act(found, now)
	}
	return next
}

// limitOf is the time that a slot has inside the application.
func (d *watchdog) limitOf(s *slot) int64 {
	if d.w.crew.size > 1 && s.n == 0 {
		return d.main
	}
	return d.limit
}

// wantsGIL tells whether a slot is the main thread of a crew while nobody gets
// the GIL: that is what its signal handlers wait for. The look at the GIL comes to
// its end soon after, and answers the requests, too.
func (d *watchdog) wantsGIL(s *slot) bool {
	return d.w.crew.size > 1 && s.n == 0 && d.asked != 0 && d.answered.Load() != d.asked
}

// examine takes a slot's request if it is late; else it tells the time it has.
func (d *watchdog) examine(s *slot, now, limit int64) (*victim, int64) {
	word := s.claim.word.Load()
	if word <= 0 {
		return nil, limit
	}
	start := word &^ claimBits
	switch {
	case now-start < limit:
		return nil, max(start+limit-now, 1)
	case word&claimHold != 0:
		return nil, holdLook
	case !s.claim.take(word):
		return nil, 1 // it has just come back, or gone on
	}
	return d.answer(s, now, word), limit
}

// answer gives a request that the watchdog has taken its 504, if nothing was
// said before, and describes it.
func (d *watchdog) answer(s *slot, now, word int64) *victim {
	d.w.lost.Add(1)
	defer s.claim.settle()
	v := &victim{ident: s.ident.Load(), critical: s.n == 0}
	age := time.Duration(now - word&^claimBits).Seconds()
	c := s.cur
	if c == nil {
		v.text = fmt.Sprintf("no request, but Python code, running for %.1fs", age)
		return v
	}
	r := s.request(c)
	head := c.in[c.r : c.r+r.HeadLen]
	client := "a unix socket"
	if c.facts.Peer.IsValid() {
		client = c.facts.Peer.String()
	}
	v.text = fmt.Sprintf("%s %s from %s, running for %.1fs", printable(r.Method.Of(head)), printable(r.Path.Of(head)), client, age)
	if word&claimSaid != 0 {
		v.text += "; its answer had begun"
		return v
	}
	v.text += "; answered 504"
	d.send504(s, c)
	return v
}

// send504 answers the request in the call's place. Whatever the socket has no
// room for is lost: it has held no byte of an answer yet.
func (d *watchdog) send504(s *slot, c *conn) {
	if c.stream != nil {
		c.stream.answered() // no 100 Continue from now on
	}
	a := &answer{started: s.curAns.started, x: s.curAns.x, begun: true}
	page := response.AppendPage(nil, 504, http1.AppendDate(nil, time.Now()), a.x.Head)
	a.frame = response.Framing{Status: 504}
	a.bytes = page.BodyLen()
	_, _ = loop.Send(c.fd(), page.Text, false)
	loop.HalfClose(c.fd())
	s.record(c, a)
}

// examineGIL asks for the GIL now and then. It reports whether it could not be
// had for too long, and when to look again.
func (d *watchdog) examineGIL(now int64) (bool, int64) {
	period := d.gil / gilLooks
	if d.asked != 0 && d.answered.Load() != d.asked {
		if left := d.asked + d.gil - now; left > 0 {
			return false, min(left, period)
		}
		return !d.told, period
	}
	if d.asked == 0 || now-d.asked >= period {
		d.asked = now
		go func() {
			d.probe()
			d.answered.Store(now)
		}()
		return false, period
	}
	return false, d.asked + period - now
}

// takeAll answers all that runs: without the GIL none of it comes to an end.
func (d *watchdog) takeAll(now int64) []victim {
	found := []victim{{text: fmt.Sprintf("nobody could take the GIL for %.1fs", time.Duration(d.gil).Seconds()), critical: true}}
	for _, s := range d.slots {
		word := s.claim.word.Load()
		if word > 0 && word&claimHold == 0 && s.claim.take(word) {
			found = append(found, *d.answer(s, now, word))
		}
	}
	return found
}

// act logs what was found and sees to the worker's end: at once if its one
// thread is stuck, else once the requests of the others are answered.
func (d *watchdog) act(found []victim, now int64) {
	w := d.w
	if !d.pythonRuns() {
		w.log.SetRelay(nil) // Python's loggers cannot log it
	}
	critical := false
	var late []uint64
	for _, v := range found {
		w.log.Criticalf("WORKER TIMEOUT (pid:%d): %s", os.Getpid(), v.text)
		critical = critical || v.critical
		late = append(late, v.ident)
	}
	w.score.SetState(scoreboard.Draining) // the others hand nothing over to it
	if d.stacks != nil && (d.printed == 0 || now-d.printed >= stacksEvery) {
		w.log.Criticalf("Python stacks of the worker (pid:%d):\n%s", os.Getpid(), d.stacks(late, d.idle()))
		d.printed = loop.Now()
	}
	switch {
	case !critical:
		w.order(drainOrder)
	case !d.told:
		d.told = true
		w.tell(workerctl.WorkerTimedOut{})
	}
}

// idle gives the threads of the crew that are at no request.
func (d *watchdog) idle() (idents []uint64) {
	for _, s := range d.slots {
		if s.n > 0 && s.claim.word.Load() == 0 {
			idents = append(idents, s.ident.Load())
		}
	}
	return idents
}

// pythonRuns tells whether the GIL can be had in a reasonable time.
func (d *watchdog) pythonRuns() bool {
	if d.probe == nil {
		return false
	}
	had := make(chan struct{})
	go func() {
		d.probe()
		close(had)
	}()
	select {
	case <-had:
		return true
	case <-time.After(gilPatience):
		return false
	}
}

// printable shows what a client sent without letting it write control
// characters to the log.
func printable(b []byte) string {
	quoted := strconv.QuoteToASCII(string(b))
	return quoted[1 : len(quoted)-1]
}
