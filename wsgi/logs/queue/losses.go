package queue

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ReportEvery is the least time between two reports of what is lost.
const ReportEvery = 10 * time.Second

// Losses counts what did not go out and tells of it: at once, and then every ten seconds while more is lost. It does so
// on a goroutine of its own, because the one that sends may be stuck in the kernel.
type Losses struct {
	name   string // "Access log"
	slow   string // the cause where nothing has failed
	report func(text string)
	ended  <-chan struct{}
	count  atomic.Pointer[func(n uint64)] // is told of each loss, too; nil: nobody is

	lost    atomic.Uint64
	telling atomic.Bool // a goroutine reports

	mu       sync.Mutex
	reported uint64
	cause    error
}

// NewLosses makes a counter that reports until ended is closed: the Done of a queue. report gets a sentence for the
// error log; nil: nobody does. slow is its cause where no other is known.
func NewLosses(name, slow string, report func(text string), ended <-chan struct{}) *Losses {
	return &Losses{name: name, slow: slow, report: report, ended: ended}
}

// CountBy has count told of each loss, by whichever goroutine it meets.
func (l *Losses) CountBy(count func(n uint64)) { l.count.Store(&count) }

// Add counts n lines, lost for that cause; nil: there was no room for them.
func (l *Losses) Add(n uint64, cause error) {
	if cause != nil {
		l.mu.Lock()
		l.cause = cause
		l.mu.Unlock()
	}
	if count := l.count.Load(); count != nil {
		(*count)(n)
	}
	if l.lost.Add(n); l.report != nil && l.telling.CompareAndSwap(false, true) {
		go l.tell()
	}
}

// Count is how many were lost so far.
func (l *Losses) Count() uint64 { return l.lost.Load() }

// tell reports losses until there are no more.
func (l *Losses) tell() {
	for l.Report() {
		select {
		case <-time.After(ReportEvery):
		case <-l.ended:
			return
		}
	}
	l.telling.Store(false)
	if l.Report() && l.telling.CompareAndSwap(false, true) { // lost since the look before
		l.tell()
	}
}

// Report tells now of what was lost since the last report; false: nothing was. For the end, too.
func (l *Losses) Report() bool {
	l.mu.Lock()
	n := l.lost.Load() - l.reported
	if n == 0 || l.report == nil {
		l.mu.Unlock()
		return false
	}
	cause := l.slow
	if l.cause != nil {
		cause = l.cause.Error()
	}
	l.reported += n
	l.cause = nil
	l.mu.Unlock() // the report may come back here as a line that is lost, too
	l.report(fmt.Sprintf("%s: lines lost: %d (%s)", l.name, n, cause))
	return true
}
