// Package generation holds one loading of config file and application: its
// settings, its zygote, its sockets and logs; and the one or two of them that a
// server has at a time, with what they share.
package generation

import (
	"strings"
	"time"

	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/cmd/gosrv/internal/workers"
	"gosrv/cmd/gosrv/internal/zygote"
)

// configTimeout stands in for the timeout setting until the config file, which
// may be what takes so long, was evaluated: its default.
const configTimeout = 30 * time.Second

// Generation is one of them. Its zygote may be replaced; its number stays.
type Generation struct {
	Number   int
	Plan     *plan.Plan      // nil until the config file was evaluated
	Workers  int             // wanted
	Zygote   *zygote.Process // nil: it has none now
	Restarts workers.Backoff // of zygotes that did not become ready
	Boots    workers.Backoff // of workers that did not
	// Established are the places (numbers of workers) whose worker has been ready. One
	// that dies later leaves its place established: it has shown that the code loads.
	Established map[int]bool
	HUPs        int // how many HUPs it answers
	Stdlib      Stdlib
	Plain       bool // no config file and no program has run in its zygote: another one comes out the same
	Asleep      bool // its zygote has been ended, and another one is started when a worker is wanted
	Resources
}

// Grace is its graceful_timeout; none before its settings are known.
func (g *Generation) Grace() time.Duration {
	if g.Plan == nil {
		return 0
	}
	return time.Duration(g.Plan.Worker.GracefulTimeout) * time.Second
}

// Timeout is its timeout setting, 0 for none.
func (g *Generation) Timeout() time.Duration {
	if g.Plan == nil {
		return configTimeout
	}
	return time.Duration(g.Plan.Worker.Timeout) * time.Second
}

// Up tells whether workers can be forked.
func (g *Generation) Up() bool { return g.Zygote.Forks() }

// TakeZygote gives its zygote away.
func (g *Generation) TakeZygote() *zygote.Process {
	z := g.Zygote
	g.Zygote = nil
	return z
}

// Stuck gives what its zygote has been at for longer than the timeout; nil: nothing.
func (g *Generation) Stuck(now time.Time) *zygote.Task { return g.Zygote.Stuck(now, g.Timeout()) }

// ReusesPort tells whether each of its workers has sockets of its own.
func (g *Generation) ReusesPort() bool { return g.Plan != nil && g.Plan.Worker.ReusePort }

// HandsOver tells whether its workers use the exchange. A worker with threads
// needs none: it is stuck only when all of them are.
func (g *Generation) HandsOver() bool {
	if g.Plan == nil {
		return false
	}
	s := &g.Plan.Worker
	if s.HealthPath != "" {
		return true // by it the master passes connections on
	}
	return s.WorkerClass == "sync" && s.Threads <= 1 && g.Workers > 1 && !s.NoHandOver
}

// URLs lists the listeners as Gunicorn's start line does.
func (g *Generation) URLs() string {
	var urls []string
	for _, s := range g.Sockets {
		urls = append(urls, listen.URL(s.Bound, g.Plan.Scheme()))
	}
	return strings.Join(urls, ",")
}
