package stdlib

import (
	"time"

	"gosrv/cmd/gosrv/internal/generation"
)

// calm is for how long no worker must have been wanted before a zygote is ended. Where
// workers die again and again it stays.
const calm = 10 * time.Second

// The pages that a zygote has had in common with its workers are its own once all of them have
// written there: 8 MiB with Django, for the sake of a worker that may never be wanted. So it
// ends, and the generation gets another one when a worker is wanted: by a death, TTIN, or a
// timeout. That worker is ready later by the start of an interpreter and the import of what is shared.

// maySleep tells whether a generation's zygote may end: nothing of the user's has run in
// it that might come out otherwise the second time, and workers are not replaced all the
// time.
func maySleep(g *generation.Generation) bool {
	z := g.Zygote
	return g.Up() && z.Idle() && !z.Keeps && !z.Logging.Relay && g.Stdlib.State == generation.Imported &&
		g.Plain && g.Plan.About == nil && g.Plan.Own.ReforkAfter == 0 && g.Plan.Own.MaxRequests == 0
}

// Rest ends the zygote of a generation all of whose workers serve. last is when a worker
// was ordered last.
func (s *Sharing) Rest(g *generation.Generation, now, last time.Time) {
	if now.Sub(last) < calm || !maySleep(g) {
		return
	}
	s.Log.Debugf("Zygote (pid:%d) of generation %d ends: nobody wants a worker", g.Zygote.PID, g.Number)
	g.Asleep, g.Stdlib.State = true, generation.Known
	s.Dismiss(g.TakeZygote())
}
