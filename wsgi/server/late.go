package server

import (
	"fmt"
	"os"

	"gosrv/wsgi/answer"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/watchdog"
)

// lateness is what the worker has to do with the watchdog.
type lateness struct {
	watch          *watchdog.Watchdog // nil: no time-out is set
	watchedThreads []*appThread       // that enter the application
}

// newWatchdog is nil if no setting asks for one.
func newWatchdog(w *worker) *watchdog.Watchdog {
	timeout, limit := int64(w.set.Timeout), int64(w.set.Request)
	if w.set.Sync && timeout > 0 && (limit == 0 || timeout < limit) {
		limit = timeout
	}
	limits := watchdog.Limits{Request: limit, Hard: int64(w.set.Request), Main: timeout, GIL: timeout, Pool: !w.crew.oneCalls()}
	var notified func() int64 // Gunicorn's time-out counts from the last worker.notify()
	if w.set.Sync && limit == timeout {
		notified = func() int64 {
			at := w.Word.Notified.Load()
			if at > 0 {
				w.score.Restart(at) // for the master
			}
			return at
		}
	}
	return watchdog.New(limits, watchdog.Owner{
		Notified: notified,
		Answer:   w.answerLate,
		Report:   w.reportLate,
		ReportStacks: func(text string) {
			w.log.Criticalf("Python stacks of the worker (pid:%d):\n%s", os.Getpid(), text)
		},
		Drain:    func() { w.order(drainOrder) },
		TimedOut: func() { w.Tell(workerctl.WorkerTimedOut{}) },
		Probe:    w.Probe,
		Stacks:   w.Stacks,
	})
}

// startWatchdog begins to watch the threads that enter the application, which
// are all there.
func startWatchdog(w *worker) {
	if w.watch == nil {
		return
	}
	w.answers.Watched = true
	w.watchedThreads = w.callers()
	var threads []*watchdog.Thread
	for _, s := range w.watchedThreads {
		threads = append(threads, &s.Watched)
	}
	w.watch.Start(threads)
}

// answerLate describes the request of a thread that takes too long, and answers
// it with 504 if nothing was said before. The watchdog has taken it: what belongs
// to the call is not used by anybody else.
func (w *worker) answerLate(thread int, begun bool) string {
	w.answers.Lost.Add(1)
	s := w.watchedThreads[thread]
	c := s.cur
	if c == nil {
		return ""
	}
	r := s.request(c)
	head := c.In.Unread()[:r.HeadLen]
	client := "a unix socket"
	if c.client.Peer.IsValid() {
		client = c.client.Peer.String()
	}
	if !begun {
		send504(s, c)
	}
	return fmt.Sprintf("%s %s from %s", errlog.Printable(r.Method.Of(head)), errlog.Printable(r.Path.Of(head)), client)
}

// send504 answers the request in the call's place.
func send504(s *appThread, c *conn) { s.record(c, answer.TooLate(&c.Conn, s.curAns), s.request(c)) }

// reportLate logs what the watchdog has found. The other workers hand nothing
// over to this one from now on.
func (w *worker) reportLate(lines []string, pythonStuck bool) {
	if pythonStuck {
		w.log.SetRelay(nil)
	}
	for _, text := range lines {
		w.log.Criticalf("WORKER TIMEOUT (pid:%d): %s", os.Getpid(), text)
	}
	w.score.SetState(scoreboard.Draining)
}
