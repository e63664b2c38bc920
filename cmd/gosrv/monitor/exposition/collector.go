// Package exposition puts what is known of a server into Prometheus's words.
package exposition

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gosrv/cmd/gosrv/internal/status"
	"gosrv/cmd/gosrv/internal/view"
	"gosrv/wsgi/ipc/metrics"
)

// Source gives the last reading, what it came to, and the share of the capacity
// that was in use lately, if that is known.
type Source func() (r *view.Reading, s *view.Snapshot, used float64, known bool)

// Collector shows it.
type Collector struct{ source Source }

// New makes a collector, for a registry of its own.
func New(source Source) *Collector { return &Collector{source} }

// Describe gives nothing: which metrics there are depends on the server. Collect
// is checked in tests instead.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// sink takes metrics.
type sink chan<- prometheus.Metric

func (out sink) gauge(d *prometheus.Desc, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func (out sink) counter(d *prometheus.Desc, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
}

// Collect gives all metrics.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	r, s, share, known := c.source()
	if r == nil {
		return // the master is gone, and so is this process in a moment
	}
	out := sink(ch)
	out.server(r, s)
	out.capacity(s)
	if wait, known := s.Recent["accept_wait"]; known {
		out.gauge(acceptWait, wait)
	}
	if known {
		out.gauge(used, share)
	}
	for i, c := range s.TLS {
		out.gauge(certificate, c.Left, strconv.Itoa(i), c.Names)
	}
	out.workers(s)
	out.requests(r, s)
	out.routes(r)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (out sink) server(r *view.Reading, s *view.Snapshot) {
	st := &r.Status
	out.gauge(buildInfo, 1, s.Version, s.App)
	out.gauge(startTime, float64(st.Past.Started))
	out.gauge(up, truth(s.Ready))
	out.gauge(generation, float64(s.Generation))
	out.counter(reloads, float64(s.Reloads.Done-s.Reloads.Failed), "done")
	out.counter(reloads, float64(s.Reloads.Failed), "failed")
	out.gauge(reloadedOK, truth(st.ReloadError == ""))
	for i, name := range status.EndingNames {
		out.counter(endings, float64(st.Past.Ended[i]), name)
	}
}

func (out sink) capacity(s *view.Snapshot) {
	out.gauge(wanted, float64(s.Capacity.Wanted))
	out.gauge(threads, float64(s.Capacity.Threads))
	out.gauge(busy, float64(s.Capacity.Busy))
	if s.Capacity.Backlog != nil {
		out.gauge(backlog, float64(*s.Capacity.Backlog))
	}
}

func (out sink) workers(s *view.Snapshot) {
	count := map[string]int{"booting": 0, "idle": 0, "busy": 0, "draining": 0}
	for _, w := range s.Workers {
		count[w.State]++
		name := strconv.Itoa(w.Slot)
		out.gauge(rss, float64(w.RSS), name)
		if w.PSS > 0 {
			out.gauge(pss, float64(w.PSS), name)
		}
		out.gauge(shared, float64(w.Shared), name)
		out.counter(cpu, w.CPU, name)
		out.gauge(workerAge, w.Age, name)
	}
	for state, n := range count {
		out.gauge(states, float64(n), state)
	}
}

func (out sink) requests(r *view.Reading, s *view.Snapshot) {
	for m, method := range metrics.Methods {
		for c, class := range metrics.Classes {
			if n := r.Totals.Answers[m][c]; n > 0 || c == 2 {
				out.counter(requests, float64(n), method, class)
			}
		}
	}
	out <- &histogram{desc: duration, of: &r.Totals.Phases[metrics.Whole], exemplars: exemplars(r)}
	for _, p := range metrics.Phases {
		if p != metrics.Whole {
			out <- &histogram{desc: phase, of: &r.Totals.Phases[p], labels: label("phase", p.String())}
		}
	}
	for part, n := range s.Requests.Refused {
		out.counter(refused, float64(n), part)
	}
	for of, n := range s.Requests.Timeouts {
		out.counter(timeouts, float64(n), of)
	}
	out.counter(checked, float64(s.Requests.Health))
	out.counter(lost, float64(s.Requests.Lost))
	out.counter(ignored, float64(s.Requests.Ignored))
	out.gauge(open, float64(s.Clients.Open))
	for state, n := range s.Clients.ByState {
		out.gauge(openStates, float64(n), state)
	}
	out.counter(accepted, float64(s.Clients.Accepted))
	out.counter(gone, float64(s.Clients.Gone))
	out.counter(received, float64(s.Clients.Received))
	out.counter(sent, float64(s.Clients.Sent))
}

// exemplars are the slowest requests that had a trace.
func exemplars(r *view.Reading) (all []exemplar) {
	now := time.Now()
	for _, q := range r.Totals.Slow {
		if q.Trace != "" {
			all = append(all, exemplar{float64(q.Times[metrics.Whole]) / 1e9, q.Trace, now.Add(-time.Duration(r.At - q.End))})
		}
	}
	return all
}

func (out sink) routes(r *view.Reading) {
	for name, t := range r.Totals.Routes {
		buckets, sum := map[float64]uint64{}, uint64(0)
		for i := range metrics.RouteBuckets - 1 {
			sum += t.Counts[i]
			if i%2 == 0 {
				buckets[metrics.RouteBound(i)] = sum
			}
		}
		out <- prometheus.MustNewConstHistogram(routeTime, t.Requests, t.Times[metrics.Application], buckets, name)
		out.counter(routeQueue, t.Times[metrics.Queue], name)
		out.counter(routeGIL, t.Times[metrics.GIL], name)
		out.counter(routeFailed, float64(t.Failed), name)
	}
}
