package view

import (
	"cmp"
	"slices"
	"time"

	"gosrv/cmd/gosrv/internal/status"
	"gosrv/wsgi/ipc/metrics"
	"gosrv/wsgi/ipc/scoreboard"
)

// Reading is one look at a server.
type Reading struct {
	Status status.Status
	Totals metrics.Totals
	Board  []Slot // of workers that are there
	At     int64  // CLOCK_MONOTONIC ns

	computed float64 // seconds that the workers' event loops have been on a processor, where requests are greenlets
}

// Slot is a worker's place on the scoreboard.
type Slot struct {
	scoreboard.Snapshot
	Number int
}

// Read looks once. The error is status.ErrNoMaster when the master has gone.
func (s *Source) Read() (r Reading, err error) {
	if r.Status, err = status.Read(s.pid); err != nil {
		return r, err
	}
	if r.Totals, err = s.Totals(); err != nil {
		return r, err
	}
	r.At = Monotonic()
	for i := 0; s.board != nil && i < s.board.Slots(); i++ {
		if seen := s.board.Snapshot(i); seen.State != scoreboard.Free && seen.PID != 0 {
			r.Board = append(r.Board, Slot{seen, i})
		}
	}
	for i := range r.Board {
		if r.Status.Loops {
			r.computed += computed(r.Board[i].PID)
		}
	}
	return r, nil
}

// Busy is how many threads are inside the application.
func (r *Reading) Busy() (n int) {
	for i := range r.Board {
		n += r.Board[i].busy()
	}
	return n
}

func (s *Slot) busy() int {
	if s.Start == 0 {
		return 0
	}
	return max(s.Running, 1)
}

// Threads is how many could be.
func (r *Reading) Threads() (n int) {
	for i := range r.Board {
		if r.Board[i].State == scoreboard.Idle || r.Board[i].State == scoreboard.Busy {
			n += max(r.Status.Threads, 1)
		}
	}
	return n
}

// Inside is for how many seconds requests have been in the application or waited for the GIL, those that still run
// included: of each worker the oldest one. Greenlets wait in the application for nothing; theirs is how long they have
// computed.
func (r *Reading) Inside() float64 {
	if r.Status.Loops {
		return r.computed
	}
	inside := r.Totals.Phases[metrics.Application].Sum + r.Totals.Phases[metrics.GIL].Sum
	for i := range r.Board {
		if start := r.Board[i].Start; start > 0 {
			inside += seconds(r.At - start)
		}
	}
	return inside
}

// Used is which share of the threads' time requests took in the last seconds, 0 to 1, Inside having been before then; nil:
// there is no thread. What runs beside the oldest request of a worker counts as it is now. With greenlets a worker is in
// full use when its event loop computes all the time, or when as many requests are in it as there may be.
func (r *Reading) Used(before, took float64) *float64 {
	threads := r.Threads()
	if threads == 0 || took <= 0 {
		return nil
	}
	inside := r.Inside() - before
	if r.Status.Loops {
		used := max(inside/(float64(threads/max(r.Status.Threads, 1))*took), float64(r.Busy())/float64(threads))
		used = min(max(used, 0), 1)
		return &used
	}
	for i := range r.Board {
		if r.Status.Threads > 1 {
			inside += float64(max(r.Board[i].Running-1, 0)) * took
		}
	}
	used := min(max(inside/(float64(threads)*took), 0), 1)
	return &used
}

// Ready tells whether a new request would be served by the wanted code.
func (r *Reading) Ready() bool { return r.Status.Phase == status.Serving && r.Status.Ready > 0 }

// Snapshot puts a reading into the words of Snapshot. memory reads how much of it a
// process has, which costs the more the more that is.
func (r *Reading) Snapshot(memory func(pid int) Memory) *Snapshot {
	st, now := &r.Status, time.Now()
	s := &Snapshot{
		Schema: Schema, Time: float64(now.UnixMilli()) / 1000, Version: st.Version, PID: st.PID, App: st.App, Phase: st.Phase,
		Ready: r.Ready(), Generation: st.Generation, Uptime: now.Sub(time.Unix(st.Past.Started, 0)).Seconds(),
		Capacity: Capacity{Wanted: st.Workers, Ready: st.Ready, Threads: r.Threads(), Busy: r.Busy()},
		Requests: r.requests(), Phases: map[string]Timing{}, Routes: []Route{}, Slowest: []Slow{}, Workers: []Worker{}, TLS: []Certificate{},
		Endings: map[string]int{}, Reloads: Reloads{Done: st.Reloaded, Failed: st.Past.FailedReloads, Last: []Reload{}},
		Clients: Clients{
			ByState:  map[string]int{},
			Accepted: r.Totals.Counters[metrics.Connections], Gone: r.Totals.Counters[metrics.ClientsGone],
			Received: r.Totals.Counters[metrics.ReceivedBytes], Sent: r.Totals.Counters[metrics.SentBytes],
		},
	}
	if st.Backlog >= 0 {
		s.Capacity.Backlog = &st.Backlog
	}
	for _, p := range metrics.Phases {
		s.Phases[p.String()] = timing(&r.Totals.Phases[p])
	}
	for i, name := range status.EndingNames {
		s.Endings[name] = st.Past.Ended[i]
	}
	for _, reload := range st.Past.Reloads {
		if reload.At > 0 {
			s.Reloads.Last = append(s.Reloads.Last, Reload{Ago: now.Sub(time.Unix(reload.At, 0)).Seconds(), Generation: reload.Generation, Error: reload.Error})
		}
	}
	for _, c := range st.Certificates {
		if c.Until != 0 {
			s.TLS = append(s.TLS, Certificate{Names: c.Names, File: c.File, Key: c.Key, Left: time.Unix(c.Until, 0).Sub(now).Seconds()})
		}
	}
	r.routes(s)
	r.slowest(s)
	r.workers(s, memory)
	return s
}

func timing(h *metrics.Histogram) Timing {
	return Timing{Count: h.Count(), Sum: h.Sum, P50: h.Quantile(0.5), P90: h.Quantile(0.9), P99: h.Quantile(0.99)}
}

func (r *Reading) requests() Requests {
	c := &r.Totals.Counters
	q := Requests{
		Total: r.Totals.Requests(), Health: c[metrics.HealthChecks], Ignored: c[metrics.StartIgnored], Lost: c[metrics.LinesLost], ByClass: map[string]uint64{}, ByMethod: map[string]uint64{},
		Refused:  map[string]uint64{"head": c[metrics.RefusedHead], "body": c[metrics.RefusedBody], "load": c[metrics.RefusedLoad]},
		Timeouts: map[string]uint64{"header": c[metrics.HeaderTimeout], "body": c[metrics.BodyTimeout], "write": c[metrics.WriteTimeout], "request": c[metrics.RequestTimeout]},
	}
	for m, name := range metrics.Methods {
		for class, n := range r.Totals.Answers[m] {
			q.ByMethod[name] += n
			q.ByClass[metrics.Classes[class]] += n
		}
	}
	return q
}

func (r *Reading) routes(s *Snapshot) {
	for name, t := range r.Totals.Routes {
		s.Routes = append(s.Routes, Route{
			Route: name, Requests: t.Requests, Failed: t.Failed, Application: t.Times[metrics.Application],
			Queue: t.Times[metrics.Queue], GIL: t.Times[metrics.GIL], Slowest: t.Slowest,
		})
	}
	slices.SortFunc(s.Routes, func(a, b Route) int {
		return cmp.Or(cmp.Compare(b.Application, a.Application), cmp.Compare(a.Route, b.Route))
	})
}

func (r *Reading) slowest(s *Snapshot) {
	for _, q := range r.Totals.Slow {
		path := q.Path
		shown := Slow{Method: q.Method, Path: &path, Route: q.Route, Status: q.Status, Trace: q.Trace, Ago: seconds(r.At - q.End), Times: map[string]float64{}}
		for _, p := range metrics.Phases {
			if q.Times[p] >= 0 {
				shown.Times[p.String()] = seconds(q.Times[p])
			}
		}
		s.Slowest = append(s.Slowest, shown)
	}
}

func (r *Reading) workers(s *Snapshot, memory func(pid int) Memory) {
	for i := range r.Board {
		slot := &r.Board[i]
		m := memory(slot.PID)
		w := Worker{
			Slot: slot.Number, PID: slot.PID, Generation: slot.Generation, State: slot.State.String(), Requests: slot.Requests,
			Connections: slot.Connections, Running: slot.busy(), Age: m.Age, RSS: m.RSS, PSS: m.PSS, Shared: m.Shared, CPU: m.CPU,
		}
		if slot.State == scoreboard.Idle && w.Running > 0 {
			w.State = scoreboard.Busy.String()
		}
		if slot.Start > 0 {
			path, client := slot.Path, ""
			if slot.Client.IsValid() {
				client = slot.Client.String()
			}
			w.Request = &Running{Method: slot.Method, Path: &path, Client: &client, Age: max(seconds(r.At-slot.Start), 0)}
		}
		s.Clients.Open += slot.Connections
		for state, n := range slot.States {
			s.Clients.ByState[scoreboard.ConnectionStates[state]] += n
		}
		s.Workers = append(s.Workers, w)
	}
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }
