package master

// rest gives back what a start or a reload has left in memory: once for each
// generation, when all of its workers serve.
func (m *Master) rest() {
	g := m.current
	if m.rested == g.number || m.next != nil || g.workers == 0 || m.table.Serving(g.number) < g.workers {
		return
	}
	m.rested = g.number
	m.sys.GiveBack()
}
