package accesslog

import (
	"errors"
	"sync/atomic"
	"time"

	"gosrv/wsgi/logs/queue"
)

// ErrLate means that Close gave up on lines that the descriptor would not take in time.
var ErrLate = errors.New("access log: lines were not written in time")

// DefaultQueue is the number of bytes of lines that wait for a slow descriptor before lines are dropped.
const DefaultQueue = 1 << 20

// interval is how long lines come together after some were written.
const interval = 10 * time.Millisecond

// Writer hands lines to one goroutine that writes them. A request never waits for the descriptor: lines beyond the
// queue, and lines that fail, are counted and reported instead. All methods may be called from any goroutine.
type Writer struct {
	queue   *queue.Queue[batch]
	room    int
	losses  *queue.Losses
	written atomic.Uint64
	sink    *sink // the goroutine's own
}

// batch is what waits together.
type batch struct {
	text  []byte // whole lines; never longer than Writer.room
	lines uint64
	next  *sink // replaces the goroutine's sink before its next write
}

// NewWriter starts a Writer on fd, which belongs to the Writer from now on (0, 1 and 2 are never closed). room is the
// most bytes of waiting lines, 0 for DefaultQueue. report gets a sentence for the error log when lines were lost, at
// most every ten seconds, on a goroutine of its own.
func NewWriter(fd, room int, report func(text string)) *Writer {
	if room <= 0 {
		room = DefaultQueue
	}
	w := &Writer{room: room, sink: newSink(fd)}
	w.queue = queue.New(interval, w.send)
	w.losses = queue.NewLosses("Access log", "the log is slower than the requests", report, w.queue.Done())
	w.queue.Start()
	return w
}

// Write queues one line, which ends in a newline, and returns at once. It keeps no reference to line.
func (w *Writer) Write(line []byte) {
	waiting, open := w.queue.Lock()
	fits := open && len(waiting.text)+len(line) <= w.room
	if fits {
		waiting.text = append(waiting.text, line...)
		waiting.lines++
	}
	w.queue.Unlock(fits)
	if !fits {
		w.losses.Add(1, nil)
	}
}

// SetFD makes fd the descriptor for lines that were not on their way yet, and the Writer's own. The old one is closed
// when no write uses it any more. For USR1, after the file was opened anew.
func (w *Writer) SetFD(fd int) {
	waiting, _ := w.queue.Lock()
	unused := waiting.next
	waiting.next = newSink(fd)
	w.queue.Unlock(true)
	if unused != nil {
		unused.close()
	}
}

// CountLossesBy has count told of lines that are lost, on any goroutine.
func (w *Writer) CountLossesBy(count func(n uint64)) { w.losses.CountBy(count) }

// Counts gives the lines that were written and the lines that were lost.
func (w *Writer) Counts() (written, dropped uint64) { return w.written.Load(), w.losses.Count() }

// Close writes what waits and closes the descriptor. After patience it gives up and returns ErrLate; a write that is
// stuck in the kernel is then left behind.
func (w *Writer) Close(patience time.Duration) error {
	if !w.queue.Close(patience) {
		return ErrLate
	}
	return nil
}

// send is the goroutine's: it writes a batch and empties it.
func (w *Writer) send(b *batch, last bool) bool {
	if b.next != nil {
		w.sink.close()
		w.sink = b.next
	}
	if b.lines > 0 {
		lost, err := w.sink.write(b.text, b.lines)
		w.written.Add(b.lines - lost)
		if err != nil {
			w.losses.Add(lost, err)
		}
	}
	sent := b.lines > 0
	*b = batch{text: b.text[:0]}
	if last {
		w.losses.Report()
		w.sink.close()
	}
	return sent
}
