package accesslog

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrLate means that Close gave up on lines that the descriptor would not take in time.
var ErrLate = errors.New("access log: lines were not written in time")

// DefaultQueue is the number of bytes of lines that wait for a slow descriptor before lines are dropped.
const DefaultQueue = 1 << 20

// gather is how long the goroutine lets lines come together after it has written some. A busy server then wakes it a
// hundred times a second, not at each request, and a line on a quiet one is written at once.
const gather = 10 * time.Millisecond

// reportEvery is the least time between two reports of dropped lines.
const reportEvery = 10 * time.Second

// Writer hands lines to one goroutine that writes them. A request never waits for the descriptor: lines beyond the
// queue, and lines that fail, are counted and reported instead. All methods may be called from any goroutine.
//
//	Write ──copy──▶ filling ──swap──▶ (goroutine) sending ──write(2)──▶ descriptor
type Writer struct {
	report func(text string)
	queue  int
	wake   chan struct{}
	ending chan struct{} // closed by Close
	done   chan struct{}

	mu      sync.Mutex
	filling []byte // whole lines that wait; never longer than queue
	lines   uint64 // in filling
	next    *sink  // replaces the goroutine's sink before its next write
	closed  bool

	written atomic.Uint64
	dropped atomic.Uint64
	telling atomic.Bool // a goroutine reports what is lost

	told     sync.Mutex // guards the reports
	reported uint64
	cause    error

	// The goroutine's own.
	sink    *sink
	sending []byte
}

// NewWriter starts a Writer on fd, which belongs to the Writer from now on (0, 1 and 2 are never closed). queue is the
// most bytes of waiting lines, 0 for DefaultQueue. report gets a sentence for the error log when lines were lost, at
// most every ten seconds, on a goroutine of its own.
func NewWriter(fd, queue int, report func(text string)) *Writer {
	if queue <= 0 {
		queue = DefaultQueue
	}
	w := &Writer{report: report, queue: queue, sink: newSink(fd), wake: make(chan struct{}, 1),
		ending: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return w
}

// Write queues one line, which ends in a newline, and returns at once. It keeps no reference to line.
func (w *Writer) Write(line []byte) {
	w.mu.Lock()
	if w.closed || len(w.filling)+len(line) > w.queue {
		w.mu.Unlock()
		w.lose(1, nil)
		return
	}
	w.filling = append(w.filling, line...)
	w.lines++
	w.mu.Unlock()
	w.signal()
}

// SetFD makes fd the descriptor for lines that were not on their way yet, and the Writer's own. The old one is closed
// when no write uses it any more. For USR1, after the file was opened anew.
func (w *Writer) SetFD(fd int) {
	w.mu.Lock()
	unused := w.next
	w.next = newSink(fd)
	w.mu.Unlock()
	if unused != nil {
		unused.close()
	}
	w.signal()
}

// Counts gives the lines that were written and the lines that were lost.
func (w *Writer) Counts() (written, dropped uint64) { return w.written.Load(), w.dropped.Load() }

// Close writes what waits and closes the descriptor. After patience it gives up and returns ErrLate; a write that is
// stuck in the kernel is then left behind.
func (w *Writer) Close(patience time.Duration) error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.ending)
	}
	w.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-w.done:
		return nil
	case <-timer.C:
		return ErrLate
	}
}

func (w *Writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *Writer) run() {
	defer close(w.done)
	pause := time.NewTimer(gather)
	for {
		lines, last := w.swap()
		if lines > 0 {
			lost, err := w.sink.write(w.sending, lines)
			w.written.Add(lines - lost)
			if err != nil {
				w.lose(lost, err)
			}
		}
		if last {
			w.reportLost()
			w.sink.close()
			return
		}
		w.rest(pause, lines > 0)
	}
}

// rest waits until it is worth looking again: after a while if lines are coming in, else at the next one.
func (w *Writer) rest(pause *time.Timer, busy bool) {
	if busy {
		pause.Reset(gather)
		select {
		case <-pause.C:
		case <-w.ending:
		}
		return
	}
	select {
	case <-w.wake:
	case <-w.ending:
	}
}

// swap takes the waiting lines over into sending, and a new sink if there is one. last tells that no more will come.
func (w *Writer) swap() (lines uint64, last bool) {
	w.mu.Lock()
	old, next := w.sink, w.next
	w.next = nil
	w.sending, w.filling = w.filling, w.sending[:0]
	lines, w.lines = w.lines, 0
	last = w.closed
	w.mu.Unlock()
	if next != nil {
		w.sink = next
		old.close()
	}
	return lines, last
}

// lose counts lines that do not go out, and sees to it that somebody says so: not the writing goroutine, which may be
// stuck in the kernel.
func (w *Writer) lose(n uint64, cause error) {
	if cause != nil {
		w.told.Lock()
		w.cause = cause
		w.told.Unlock()
	}
	w.dropped.Add(n)
	if w.report != nil && w.telling.CompareAndSwap(false, true) {
		go w.tell()
	}
}

// tell reports losses until there are no more.
func (w *Writer) tell() {
	for w.reportLost() {
		select {
		case <-time.After(reportEvery):
		case <-w.done:
			return
		}
	}
	w.telling.Store(false)
	if w.reportLost() && w.telling.CompareAndSwap(false, true) { // lost since the look before
		w.tell()
	}
}

// reportLost tells of lines lost since the last report; false: there are none.
func (w *Writer) reportLost() bool {
	w.told.Lock()
	defer w.told.Unlock()
	lost := w.dropped.Load() - w.reported
	if lost == 0 || w.report == nil {
		return false
	}
	cause := "the log is slower than the requests"
	if w.cause != nil {
		cause = w.cause.Error()
	}
	w.reported += lost
	w.cause = nil
	w.report(fmt.Sprintf("Access log: lines lost: %d (%s)", lost, cause))
	return true
}
