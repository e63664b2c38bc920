// Package measure says of each request that is over what it waited for: times out of the moments that the
// loop has noted, into the memory that the master reads (ipc/metrics).
package measure

import (
	"sync"

	"gosrv/wsgi/ipc/metrics"
)

// Meters are what a worker's threads measure with. The zero value measures nothing.
type Meters struct {
	memory *metrics.Memory
	turn   sync.Mutex // of the threads of a pool
	pool   *metrics.Writer
}

// Open measures in that memory from now on; nil: nothing.
func (m *Meters) Open(memory *metrics.Memory) {
	m.memory = memory
	if memory != nil {
		m.pool = memory.Writer(0)
	}
}

// Meter is what one thread measures with. The zero value measures nothing.
type Meter struct {
	sheet *metrics.Writer
	turn  *sync.Mutex // to be held for sheet; nil: no other thread has it
}

// Attach gives a thread its way into the worker's memory: the threads of a pool
// have one together; of others the n-th has its own.
func (m *Meter) Attach(to *Meters, pool bool, n int) {
	switch {
	case to.memory == nil:
	case pool:
		m.sheet, m.turn = to.pool, &to.turn
	case n < metrics.Writers:
		m.sheet = to.memory.Writer(n)
	}
}

// On tells whether something is measured.
func (m *Meter) On() bool { return m.sheet != nil }

// Count adds one to a counter.
func (m *Meter) Count(c metrics.Counter) {
	if m.sheet != nil {
		m.sheet.Count(c, 1)
	}
}

// Record writes a request down, whose times are Times'. trace is asked for its
// trace id, if that is of use; what it gives is lent, as is all of r.
func (m *Meter) Record(r *metrics.Request, trace func() []byte) {
	if m.turn != nil {
		m.turn.Lock()
		defer m.turn.Unlock()
	}
	if m.sheet.Record(r) {
		r.Trace = trace()
		m.sheet.Keep(r)
	}
}
