package logs

import (
	"os"
	"time"

	"gosrv/cmd/gosrv/internal/status"
	"gosrv/cmd/gosrv/internal/view"
	"gosrv/wsgi/ipc/metrics"
	"gosrv/wsgi/logs/statsd"
)

// Extended is what statsd_extended adds of the server as a whole, once a second: what
// /metrics shows and a request does not tell by itself. The zero value begins now.
type Extended struct {
	source *view.Source
	at     time.Time
	counts map[string]uint64 // as they were at the last look
	inside float64           // view.Reading.Inside, likewise
}

// Tell tells it, if a second is over. What cannot be read is left out: the next look may.
func (e *Extended) Tell(client *statsd.Client, now time.Time) {
	took := now.Sub(e.at)
	if took < time.Second {
		return
	}
	first := e.at.IsZero()
	e.at = now
	if e.source == nil {
		source, err := view.Open(os.Getpid())
		if err != nil {
			return
		}
		e.source = source
	}
	r, err := e.source.Read()
	if err != nil {
		return
	}
	counts := countsOf(&r)
	for name, n := range counts {
		if more := n - e.counts[name]; !first && more > 0 {
			client.Add("gosrv."+name, more)
		}
	}
	e.counts = counts
	rss := uint64(0)
	for i := range r.Board {
		rss += view.MemoryOf(r.Board[i].PID).RSS
	}
	open := 0
	for i := range r.Board {
		open += r.Board[i].Connections
	}
	client.Gauge("gosrv.threads", r.Threads())
	client.Gauge("gosrv.threads.busy", r.Busy())
	client.Gauge("gosrv.connections", open)
	client.Gauge("gosrv.workers.rss", int(rss))
	client.Gauge("gosrv.ready", map[bool]int{true: 1}[r.Ready()])
	if used := r.Used(e.inside, took.Seconds()); used != nil && !first {
		client.Gauge("gosrv.capacity.used_percent", int(*used*100+0.5))
	}
	e.inside = r.Inside()
}

// countsOf are all that only grow, by their names below gosrv.
func countsOf(r *view.Reading) map[string]uint64 {
	c := &r.Totals.Counters
	counts := map[string]uint64{
		"refused.head": c[metrics.RefusedHead], "refused.body": c[metrics.RefusedBody], "refused.load": c[metrics.RefusedLoad],
		"timeouts.header": c[metrics.HeaderTimeout], "timeouts.body": c[metrics.BodyTimeout], "timeouts.write": c[metrics.WriteTimeout],
		"timeouts.request": c[metrics.RequestTimeout], "clients.gone": c[metrics.ClientsGone], "connections.accepted": c[metrics.Connections],
		"received_bytes": c[metrics.ReceivedBytes], "sent_bytes": c[metrics.SentBytes], "health_checks": c[metrics.HealthChecks], "log_lines_lost": c[metrics.LinesLost],
		"reloads.failed": uint64(r.Status.Past.FailedReloads), "reloads.done": uint64(max(r.Status.Reloaded-r.Status.Past.FailedReloads, 0)),
	}
	for i, name := range status.EndingNames {
		counts["worker_exits."+name] = uint64(r.Status.Past.Ended[i])
	}
	return counts
}
