package h2io

import (
	"sync"
	"time"

	"gosrv/wsgi/http2"
	"gosrv/wsgi/loop"
)

// mostKept is how long, in ns, an answer may be kept for others of its connection; half of it is what it is
// at least.
const mostKept = int64(time.Millisecond)

// Table is what the connections of one loop share: their settings, a way to tell the loop what another thread has
// read, and who sends what was kept if nobody else does.
type Table struct {
	set  http2.Settings
	told *loop.Mailbox[*Conn]

	mu     sync.Mutex
	kept   []*Conn
	timer  *time.Timer // nil: not yet needed
	wakers []*loop.Waker
}

// NewTable makes one. Its FD is to be watched (level-triggered).
func NewTable(set http2.Settings) (*Table, error) {
	told, err := loop.NewMailbox[*Conn]()
	if err != nil {
		return nil, err
	}
	return &Table{set: set, told: told}, nil
}

// FD is readable when Told has something.
func (t *Table) FD() int { return t.told.FD() }

// Told are the connections that another thread than the loop's has read since it was asked last.
func (t *Table) Told() []*Conn { return t.told.Take() }

// watch sees to it that what a connection keeps is sent soon. The caller holds the connection's mu. The timer is
// not stopped when somebody else has sent it: one that fires in vain is cheaper.
func (t *Table) watch(c *Conn) {
	if c.listed {
		return
	}
	c.listed = true
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, c)
	if len(t.kept) > 1 {
		return
	}
	if t.timer == nil {
		t.timer = time.AfterFunc(time.Duration(mostKept), t.sendKept)
	} else {
		t.timer.Reset(time.Duration(mostKept))
	}
}

// sendKept sends what has been kept for long enough.
func (t *Table) sendKept() {
	t.mu.Lock()
	all := t.kept
	t.kept = nil
	t.mu.Unlock()
	for _, c := range all {
		c.mu.Lock()
		c.listed = false
		if c.keptAt != 0 {
			if loop.Now()-c.keptAt >= mostKept/2 {
				c.flush()
			} else {
				t.watch(c)
			}
		}
		c.mu.Unlock()
	}
}

// lendWaker gives a thread that waits something to be woken by; nil: there is none to be had.
func (t *Table) lendWaker() *loop.Waker {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.wakers); n > 0 {
		w := t.wakers[n-1]
		t.wakers = t.wakers[:n-1]
		return w
	}
	w, _ := loop.NewWaker()
	return w
}

// takeWaker takes it back.
func (t *Table) takeWaker(w *loop.Waker) {
	w.Clear()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wakers = append(t.wakers, w)
}
