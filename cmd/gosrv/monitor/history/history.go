// Package history keeps how a server was lately: what it is asked for once a second
// is remembered for an hour, in memory that does not grow.
package history

import (
	"sync"
	"time"

	"gosrv/cmd/gosrv/internal/view"
	"gosrv/wsgi/ipc/metrics"
)

const (
	// Column is how long a column of the heat map is.
	Column = 10 * time.Second
	// Columns is how many there are: an hour.
	Columns = 360
	// window is what rates and quantiles are made of.
	window = 10
	// proportional is how often the workers' PSS is read, which costs more than all the rest.
	proportional = 15 * time.Second
	// fresh is how old a reading may be that somebody is shown.
	fresh = 200 * time.Millisecond
)

// Rows of the heat map: durations up to 2^LowestRow seconds, then each twice as
// long as the one before.
const (
	LowestRow = -13
	Rows      = 20
)

// sample is what is kept of a reading.
type sample struct {
	at           int64 // CLOCK_MONOTONIC ns
	requests     uint64
	failed       uint64
	whole, queue metrics.Histogram
	inside       float64 // seconds that requests have been in the application, the running ones too
	busy         int
	accepted     uint64
	backlog      int // connections that wait to be accepted, -1: nobody has looked
}

// Entry is a column of the heat map.
type Entry struct {
	Time     int64        `json:"time"` // Unix time, s, of its end
	Rate     float64      `json:"rate"`
	Failed   float64      `json:"failed"`
	P50      float64      `json:"p50"`
	P99      float64      `json:"p99"`
	QueueP99 float64      `json:"queue_p99"`
	Rows     [Rows]uint64 `json:"rows"`
}

// History looks at one server. Any goroutine may ask it.
type History struct {
	mu      sync.Mutex
	source  *view.Source
	reading *view.Reading
	shot    *view.Snapshot
	read    time.Time
	samples []sample // oldest first
	column  sample   // where the current column began
	columns []Entry  // oldest first
	memory  map[int]view.Memory
	looked  time.Time // at memory
}

// New makes a history without a past.
func New(source *view.Source) *History { return &History{source: source} }

// Look takes a reading now, unless there is a fresh one. The error is
// status.ErrNoMaster when the master has gone.
func (h *History) Look() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.look()
}

func (h *History) look() error {
	if h.reading != nil && time.Since(h.read) < fresh {
		return nil
	}
	r, err := h.source.Read()
	if err != nil {
		return err
	}
	h.reading, h.read = &r, time.Now()
	h.shot = r.Snapshot(h.memoryOf)
	h.shot.Capacity.Used, h.shot.Recent = h.recent(&r)
	return nil
}

// memoryOf is a worker's memory, its PSS as it was when that was read last.
func (h *History) memoryOf(pid int) view.Memory {
	m := view.MemoryOf(pid)
	if known, ok := h.memory[pid]; ok {
		m.PSS, m.Shared = known.PSS, known.Shared
	}
	return m
}

// Last gives the last reading, for reading only.
func (h *History) Last() (*view.Reading, *view.Snapshot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reading, h.shot
}

// Tick is to be called once a second. It tells whether a column was completed.
func (h *History) Tick() (column bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readMemory()
	h.read = time.Time{}
	if err := h.look(); err != nil {
		return false, err
	}
	now := take(h.reading)
	h.samples = append(h.samples, now)
	if len(h.samples) > window+1 {
		h.samples = append(h.samples[:0], h.samples[1:]...)
	}
	if h.column.at == 0 {
		h.column = now
	}
	if time.Duration(now.at-h.column.at) < Column-time.Second/2 {
		return false, nil
	}
	h.columns = append(h.columns, entry(&h.column, &now))
	if len(h.columns) > Columns {
		h.columns = append(h.columns[:0], h.columns[1:]...)
	}
	h.column = now
	return true, nil
}

func (h *History) readMemory() {
	if time.Since(h.looked) < proportional || h.reading == nil {
		return
	}
	h.looked, h.memory = time.Now(), map[int]view.Memory{}
	for i := range h.reading.Board {
		pid := h.reading.Board[i].PID
		h.memory[pid] = view.ProportionalOf(pid)
	}
}

// Entries gives the columns, oldest first.
func (h *History) Entries() []Entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Entry{}, h.columns...)
}

func take(r *view.Reading) sample {
	s := sample{at: r.At, requests: r.Totals.Requests(), whole: r.Totals.Phases[metrics.Whole], queue: r.Totals.Phases[metrics.Queue], busy: r.Busy(), accepted: r.Totals.Counters[metrics.Connections], backlog: r.Status.Backlog}
	for m := range r.Totals.Answers {
		s.failed += r.Totals.Answers[m][5]
	}
	s.inside = r.Inside()
	return s
}

// recent compares a reading with the oldest sample.
func (h *History) recent(r *view.Reading) (*float64, map[string]float64) {
	if len(h.samples) == 0 {
		return nil, nil
	}
	now, before := take(r), &h.samples[0]
	took := float64(now.at-before.at) / 1e9
	if took <= 0 {
		return nil, nil
	}
	whole, queue := now.whole.Since(&before.whole), now.queue.Since(&before.queue)
	recent := map[string]float64{
		"seconds": took, "requests_per_second": float64(now.requests-before.requests) / took,
		"failures_per_second": float64(now.failed-before.failed) / took,
		"p50":                 whole.Quantile(0.5), "p90": whole.Quantile(0.9), "p99": whole.Quantile(0.99),
		"queue_p50": queue.Quantile(0.5), "queue_p99": queue.Quantile(0.99),
	}
	if wait, known := h.acceptWait(&now, took); known {
		recent["accept_wait"] = wait
	}
	return r.Used(before.inside, took), recent
}

// acceptWait is how long connections wait to be accepted, in seconds: as many as wait on average, over as many as are
// accepted in a second (Little's law). The queue is looked into once a second, and says no more. While nobody accepts, all
// of the last seconds is the least that it can be.
func (h *History) acceptWait(now *sample, took float64) (wait float64, known bool) {
	waiting := 0
	for i := range h.samples {
		if h.samples[i].backlog < 0 {
			return 0, false
		}
		waiting += h.samples[i].backlog
	}
	mean, rate := float64(waiting)/float64(len(h.samples)), float64(now.accepted-h.samples[0].accepted)/took
	switch {
	case waiting == 0:
		return 0, true
	case rate == 0:
		return took, true
	}
	return mean / rate, true
}

func entry(from, to *sample) Entry {
	took := float64(to.at-from.at) / 1e9
	whole, queue := to.whole.Since(&from.whole), to.queue.Since(&from.queue)
	e := Entry{
		Time: time.Now().Unix(), Rate: float64(to.requests-from.requests) / took, Failed: float64(to.failed-from.failed) / took,
		P50: whole.Quantile(0.5), P99: whole.Quantile(0.99), QueueP99: queue.Quantile(0.99),
	}
	for bucket, n := range whole.Counts {
		row := 0
		for row < Rows-1 && bucket > metrics.BucketOf(LowestRow+row) {
			row++
		}
		e.Rows[row] += n
	}
	return e
}
