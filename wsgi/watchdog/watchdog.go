// Package watchdog finds requests that are too long inside the application, and
// settles who answers them. It knows neither connections nor Python: its owner
// describes and answers a request, and acts on what was found.
package watchdog

import (
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"gosrv/wsgi/loop"
)

const (
	// gilLooks is into how many parts the time-out is divided for looking
	// whether the GIL is to be had.
	gilLooks = 4
	// pausedLook is when a request is looked at again whose interim answer was
	// on its way.
	pausedLook = int64(5 * time.Millisecond)
	// gilPatience is how long the GIL is waited for before Python counts as stuck.
	gilPatience = 100 * time.Millisecond
	// catchUp is what a process that has stood still (SIGSTOP, a frozen
	// container, a machine without time for it) gets before it is judged.
	catchUp = 250 * time.Millisecond
	// stacksEvery is how often the stacks are written at most: requests that
	// began together are late together.
	stacksEvery = int64(time.Second)
)

// Thread is one application thread as the watchdog sees it.
type Thread struct {
	Deadline
	Ident atomic.Uint64 // of the thread, as in Python's stacks
	Main  bool          // the process's main thread: the worker cannot go on without it
}

// Limits are times inside the application in ns; 0: none.
type Limits struct {
	Request int64 // of a request
	Hard    int64 // of a request, however often its time has begun again
	Main    int64 // of what the main thread does in Python; Request where it serves
	GIL     int64 // of taking the GIL
	Pool    bool  // a pool serves, and the main thread only runs signal handlers
}

// Owner is what the watchdog asks of the worker, from its own goroutine. Probe
// and Stacks may be nil: then nobody looks.
type Owner struct {
	// Answer describes the request of a thread, by its place in Start's list, for
	// the log, and answers it in the call's place unless its answer has begun. All
	// that belongs to the call is the watchdog's until Answer returns. "": the
	// thread is at no request.
	Answer func(thread int, begun bool) string
	// Stuck describes a main thread that does not come back, in the place of Answer: it is at no request of its own.
	// age is in seconds. nil: Answer does.
	Stuck func(age float64) string
	// Report logs what was found. pythonStuck: Python's loggers cannot.
	Report func(lines []string, pythonStuck bool)
	// ReportStacks logs the stacks of all threads, those that are late marked.
	ReportStacks func(text string)
	// Drain ends the worker once the requests of its other threads are answered.
	Drain func()
	// TimedOut ends it at once. Called once.
	TimedOut func()

	// Notified is a moment, CLOCK_MONOTONIC ns, from which the time of a main thread's
	// request counts if it began before. nil: there is none.
	Notified func() int64

	Probe  func()                           // takes the GIL and gives it back
	Stacks func(late, idle []uint64) string // cpython.Stacks
}

// Watchdog finds requests that are too long inside the application, and a GIL
// that nobody can take. It is a goroutine that never enters Python but by Probe
// and Stacks, sleeps until the oldest request would be too late, and looks at
// nothing but the threads' deadlines. A nil Watchdog watches nothing.
type Watchdog struct {
	limits  Limits
	owner   Owner
	threads []*Thread // all that enter the application

	moved    moved        // the last request whose time has begun again
	asked    int64        // CLOCK_MONOTONIC ns of the probe under way, 0: none
	answered atomic.Int64 // the last probe that came back
	printed  int64        // CLOCK_MONOTONIC ns of the last stacks
	told     bool         // TimedOut was called
	due      int64        // CLOCK_MONOTONIC ns of the next look
	spared   bool         // the last look was put off
	stop     chan struct{}
	done     chan struct{} // nil: not started
}

// late is a request that took too long.
type late struct {
	text     string // its line in the log
	ident    uint64 // of its thread
	critical bool   // the worker cannot go on: not a request of the pool
}

// moved is a request whose time has begun again, CLOCK_MONOTONIC ns.
type moved struct {
	origin int64 // when it began
	start  int64 // since when it is counted
}

// New makes a watchdog that does not watch yet; nil if there is no limit.
func New(limits Limits, owner Owner) *Watchdog {
	if limits.Request == 0 && limits.Main == 0 && limits.GIL == 0 {
		return nil
	}
	return &Watchdog{limits: limits, owner: owner, stop: make(chan struct{})}
}

// Start begins to watch. threads are all that enter the application, now or
// later.
func (d *Watchdog) Start(threads []*Thread) {
	if d == nil {
		return
	}
	// It must run while the main thread waits in a system call of its own.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), 2))
	d.threads = threads
	d.done = make(chan struct{})
	go d.run()
}

// End stops the watching, and returns when the last look is over.
func (d *Watchdog) End() {
	if d != nil && d.done != nil {
		close(d.stop)
		<-d.done
	}
}

func (d *Watchdog) run() {
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
				wait = d.Look(now)
			}
			d.due = now + min(wait, math.MaxInt64-now)
			timer.Reset(time.Duration(wait))
		}
	}
}

// stoodStill tells whether the watchdog itself comes so late that the process
// cannot have run: what it would measure is not the application's time. A look
// is put off for that once, never twice in a row.
func (d *Watchdog) stoodStill(now int64) bool {
	d.spared = !d.spared && d.due > 0 && now-d.due > int64(catchUp)
	return d.spared
}

// Look finds what is late at the moment now, and says for how many ns nothing
// else can be. It is run's, or a test's before run begins.
func (d *Watchdog) Look(now int64) int64 {
	next := int64(math.MaxInt64)
	var found []late
	for i, t := range d.threads {
		if limit := d.limitOf(t); limit > 0 && !d.wantsGIL(t) {
			d.putOff(t)
			v, left := d.examine(i, now, limit)
			if v != nil {
				found = append(found, *v)
			}
			next = min(next, left)
		}
	}
	if d.limits.GIL > 0 && d.owner.Probe != nil {
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

// putOff lets the time of the main thread's request begin again at the moment
// that Notified gives.
func (d *Watchdog) putOff(t *Thread) {
	if d.owner.Notified == nil || !t.Main {
		return
	}
	at, word := d.owner.Notified()&^bits, t.word.Load()
	from := word &^ bits
	if word <= 0 || at <= from || !t.word.CompareAndSwap(word, at|word&bits) {
		return
	}
	if d.moved.start != from {
		d.moved.origin = from
	}
	d.moved.start = at
}

// limitSince is the limit as it counts for a request with that start.
func (d *Watchdog) limitSince(start, limit int64) int64 {
	if d.limits.Hard > 0 && d.moved.start == start {
		return min(limit, max(d.moved.origin+d.limits.Hard-start, 1))
	}
	return limit
}

// limitOf is the time that a thread has inside the application.
func (d *Watchdog) limitOf(t *Thread) int64 {
	if d.limits.Pool && t.Main {
		return d.limits.Main
	}
	return d.limits.Request
}

// wantsGIL tells whether a thread is the main one of a pool while nobody gets
// the GIL: that is what its signal handlers wait for. The look at the GIL comes to
// its end soon after, and answers the requests, too.
func (d *Watchdog) wantsGIL(t *Thread) bool {
	return d.limits.Pool && t.Main && d.asked != 0 && d.answered.Load() != d.asked
}

// examine takes a thread's request if it is late; else it tells the time it has.
func (d *Watchdog) examine(thread int, now, limit int64) (*late, int64) {
	t := d.threads[thread]
	word := t.word.Load()
	if word <= 0 {
		return nil, limit
	}
	start := word &^ bits
	limit = d.limitSince(start, limit)
	switch {
	case now-start < limit:
		return nil, max(start+limit-now, 1)
	case word&paused != 0:
		return nil, pausedLook
	case !t.expire(word):
		return nil, 1 // it has just come back, or gone on
	}
	return d.answer(thread, now, word), limit
}

// answer has a request that was expired answered and described.
func (d *Watchdog) answer(thread int, now, word int64) *late {
	t := d.threads[thread]
	defer t.release()
	v := &late{ident: t.Ident.Load(), critical: t.Main}
	age := time.Duration(now - word&^bits).Seconds()
	if d.owner.Stuck != nil {
		v.text = d.owner.Stuck(age)
		return v
	}
	begun := word&committed != 0
	v.text = d.owner.Answer(thread, begun)
	switch {
	case v.text == "":
		v.text = fmt.Sprintf("no request, but Python code, running for %.1fs", age)
	case begun:
		v.text += fmt.Sprintf(", running for %.1fs; its answer had begun", age)
	default:
		v.text += fmt.Sprintf(", running for %.1fs; answered 504", age)
	}
	return v
}

// examineGIL asks for the GIL now and then. It reports whether it could not be
// had for too long, and when to look again.
func (d *Watchdog) examineGIL(now int64) (bool, int64) {
	period := d.limits.GIL / gilLooks
	if d.asked != 0 && d.answered.Load() != d.asked {
		if left := d.asked + d.limits.GIL - now; left > 0 {
			return false, min(left, period)
		}
		return !d.told, period
	}
	if d.asked == 0 || now-d.asked >= period {
		d.asked = now
		go func() {
			d.owner.Probe()
			d.answered.Store(now)
		}()
		return false, period
	}
	return false, d.asked + period - now
}

// takeAll answers all that runs: without the GIL none of it comes to an end.
func (d *Watchdog) takeAll(now int64) []late {
	found := []late{{text: fmt.Sprintf("nobody could take the GIL for %.1fs", time.Duration(d.limits.GIL).Seconds()), critical: true}}
	for i, t := range d.threads {
		word := t.word.Load()
		if word > 0 && word&paused == 0 && t.expire(word) {
			found = append(found, *d.answer(i, now, word))
		}
	}
	return found
}

// act reports what was found and sees to the worker's end: at once if its one
// thread is stuck, else once the requests of the others are answered.
func (d *Watchdog) act(found []late, now int64) {
	critical := false
	var lines []string
	var idents []uint64
	for _, v := range found {
		lines = append(lines, v.text)
		critical = critical || v.critical
		idents = append(idents, v.ident)
	}
	d.owner.Report(lines, !d.pythonRuns())
	if d.owner.Stacks != nil && (d.printed == 0 || now-d.printed >= stacksEvery) {
		d.owner.ReportStacks(d.owner.Stacks(idents, d.idle()))
		d.printed = loop.Now()
	}
	switch {
	case !critical:
		d.owner.Drain()
	case !d.told:
		d.told = true
		d.owner.TimedOut()
	}
}

// idle gives the threads of the pool that are at no request.
func (d *Watchdog) idle() (idents []uint64) {
	for _, t := range d.threads {
		if !t.Main && !t.Running() {
			idents = append(idents, t.Ident.Load())
		}
	}
	return idents
}

// pythonRuns tells whether the GIL can be had in a reasonable time.
func (d *Watchdog) pythonRuns() bool {
	if d.owner.Probe == nil {
		return false
	}
	had := make(chan struct{})
	go func() {
		d.owner.Probe()
		close(had)
	}()
	select {
	case <-had:
		return true
	case <-time.After(gilPatience):
		return false
	}
}
