package master

import (
	"os"
	"runtime/debug"
)

// restPercent is GOGC of a master that supervises: it allocates a few hundred
// bytes a second and keeps less than a megabyte, but would by Go's own measure
// collect at 4 MB only.
const restPercent = 25

// rest gives back what a start or a reload has left in memory: once for each
// generation, when all of its workers serve.
func (m *Master) rest() {
	g := m.current
	if m.rested == g.number || m.next != nil || g.workers == 0 || m.table.Serving(g.number) < g.workers {
		return
	}
	m.rested = g.number
	m.sys.giveBack()
}

// giveBack returns Go's unused memory to the system. It takes milliseconds, so
// the supervising loop does not wait for it. GOGC is obeyed where it is set.
func giveBack() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(restPercent)
	}
	go func() {
		debug.FreeOSMemory()
		dropPages() // last: the collector reads constants, too
	}()
}
