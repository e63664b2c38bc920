// Package stdlib has the zygote import what the workers of an application would
// import of Python's standard library each by itself. Gunicorn's master has half of
// it for its own use, and its workers share that; gosrv's zygote needs little.
//
//	Unknown   first start: one worker imports all itself and tells what that was
//	Known     by that worker, the generation before, or the cache of an earlier start
//	Ordered   zygote: ImportStdlib; workers that are ordered after it are forked after it
//	Imported  the zygote has answered
//	Apart     not wanted, or not to be had: an obstacle
//
// An obstacle is something in the application that must come before such an import,
// as a patch of gevent's. A worker that finds one although its zygote has imported
// something ends, and the generation gets another zygote, which imports nothing.
package stdlib

import (
	"slices"
	"time"

	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/cmd/gosrv/internal/zygote"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
)

// patience bounds how long the other workers of a first start wait for the first
// one's word. Later they import all themselves.
const patience = 5 * time.Second

// fewest is how many modules are worth it: those of an application that loads fewer
// are small, and it is better served by a seed, for which its reloads are quick.
const fewest = 16

// Server is what it is done with.
type Server struct {
	Generations *generation.Generations
	Log         *errlog.Logger
	Cache       Cache
	// Tell sends a zygote an order.
	Tell func(z *zygote.Process, order workerctl.Message, fds ...int)
	// Alone ends the seed: what it has in common with the zygote was written to by the import, so
	// it would be in memory twice.
	Alone func()
	// Dismiss ends a zygote.
	Dismiss func(z *zygote.Process)
	// Renew gives a generation another zygote, and other workers.
	Renew func(g *generation.Generation)
}

// Sharing does it.
type Sharing struct{ Server }

// Begin decides for a generation whose settings have become known. app names the
// application, the Python and what else the modules depend on.
func (s *Sharing) Begin(g *generation.Generation, wanted bool, app string) {
	if !wanted {
		return
	}
	g.Stdlib.State = generation.Unknown
	if before := &s.Generations.Current.Stdlib; g != s.Generations.Current && before.State >= generation.Known {
		g.Stdlib = generation.Stdlib{State: generation.Known, Names: before.Names}
	} else if names := s.Cache.Load(app); len(names) > 0 {
		g.Stdlib = generation.Stdlib{State: generation.Known, Names: names}
	}
}

// Configured goes on when a zygote of the generation can fork.
func (s *Sharing) Configured(g *generation.Generation) {
	if g.Stdlib.State >= generation.Known {
		g.Stdlib.State = generation.Ordered
		s.Tell(g.Zygote, zygotectl.ImportStdlib{Modules: g.Stdlib.Names})
	}
}

// Admits tells how many of so many missing workers may be ordered now; the generation
// has others already or not.
func (s *Sharing) Admits(g *generation.Generation, missing int, others bool, now time.Time) int {
	l := &g.Stdlib
	if l.State != generation.Unknown || missing == 0 {
		return missing
	}
	if !others {
		l.Since = now
		return 1
	}
	if now.Sub(l.Since) < patience {
		return 0
	}
	return missing
}

// Told hears what a worker of the generation has imported.
func (s *Sharing) Told(g *generation.Generation, c *workers.Worker, msg workerctl.WorkerImported, app string) {
	l := &g.Stdlib
	switch {
	case l.State == generation.Apart:
	case msg.Obstacle != "":
		s.Log.Debugf("%s imports the standard library itself: %s", c, msg.Obstacle)
		s.Cache.Remove(app)
		renew := l.State >= generation.Ordered
		*l = generation.Stdlib{}
		if renew {
			s.Renew(g)
		}
	case l.State == generation.Unknown && len(msg.Modules) < fewest:
		l.State = generation.Apart
	case l.State == generation.Unknown:
		*l = generation.Stdlib{State: generation.Known, Names: msg.Modules}
		s.Cache.Save(app, msg.Modules)
		if g.Up() {
			s.Configured(g)
		}
	case !slices.Equal(l.Names, msg.Modules):
		l.Names = msg.Modules // for the next zygote
		s.Cache.Save(app, msg.Modules)
	}
}

// Imported hears what the zygote has imported.
func (s *Sharing) Imported(g *generation.Generation, msg zygotectl.StdlibImported) {
	if g.Stdlib.State == generation.Ordered {
		g.Stdlib.State = generation.Imported
	}
	if msg.Obstacle != "" {
		s.Log.Debugf("Workers of generation %d import the standard library themselves: %s", g.Number, msg.Obstacle)
		return
	}
	s.Alone()
	s.Log.Debugf("Workers of generation %d share %d modules of the standard library", g.Number, msg.Modules)
}

// Lost hears that a zygote has died. One that was importing may have died of it.
func (s *Sharing) Lost(g *generation.Generation, app string) {
	if g.Stdlib.State != generation.Ordered {
		return
	}
	s.Log.Warningf("The zygote of generation %d died over the import of the standard library: each worker imports its own (--no-share-stdlib)", g.Number)
	g.Stdlib = generation.Stdlib{}
	s.Cache.Remove(app)
}
