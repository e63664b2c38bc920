package master

// rest gives back what a start or a reload has left in memory: once for each
// generation, when all of its workers serve.
func (m *Master) rest() {
	g := m.gens.Current
	if m.rested == g.Number || m.gens.Next != nil || g.Workers == 0 || m.table.Serving(g.Number) < g.Workers {
		return
	}
	m.rested = g.Number
	m.sys.GiveBack()
}
