package server

import "testing"

// A connection is closed once, and from the end of its service on it is not
// served again: the table says so for every phase.
func TestPhasesFollowTheTable(t *testing.T) {
	for from := reading; from <= closed; from++ {
		for to := reading; to <= closed; to++ {
			want := from != closed && (to == closed || from != lingering && to == lingering) ||
				from == reading && (to == filling || to == serving) ||
				from == filling && to == reading || from == skipping && to == reading ||
				from == serving && to != filling && to <= sending || from == sending && to == serving
			c := &conn{phase: from}
			went := func() (ok bool) {
				defer func() { ok = recover() == nil }()
				c.become(to)
				return
			}()
			if went != want {
				t.Errorf("from %d to %d: %v", from, to, went)
			}
		}
	}
}
