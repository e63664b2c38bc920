package server

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/call"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/loop"
)

const (
	// LateThreads is how long, beyond the graceful time, the main thread waits
	// for threads that are inside the application: for close() from its start.
	LateThreads = 500 * time.Millisecond
	// lastThreads bounds that for threads that are merely slow, as on a machine
	// that has no time for them. The master's SIGKILL comes first, as a rule.
	lastThreads = 10 * time.Second
	// abortTime is how long it waits for the master to end a worker with threads
	// that are stuck there.
	abortTime = 3 * time.Second
	// drainLook is how often it looks, in ms.
	drainLook = 200
)

// supervise is what the main thread does when others serve: it runs Python's
// signal handlers and reads the master's orders, both promptly, whatever the
// threads are at.
func supervise(w *eventLoop, start func(n int) error) error {
	k := &w.crew.pool
	for n := range k.size {
		w.threads = append(w.threads, newAppThread(w, n+1, nil))
	}
	if err := start(k.size); err != nil {
		return fmt.Errorf("starting %d threads: %w", k.size, err)
	}
	startWatchdog(w.worker)
	w.Tell(workerctl.WorkerReady{Notice: w.notice})
	close(k.begun)
	deadline := int64(0)
	for !k.Over() || int(k.out.Load()) < k.size {
		wait := -1
		if w.draining.Load() || w.wanted.Load() != 0 || k.Over() {
			wait = drainLook
			if deadline == 0 {
				deadline = lastMoment(w.worker)
			}
		}
		_, interrupted := w.watcher.Wait(wait)
		if interrupted {
			signals(w.threads[0])
		}
		for ev, ok := w.watcher.Next(); ok; ev, ok = w.watcher.Next() {
			w.attend(w.threads[0], ev.FD)
		}
		if w.quitting.Load() || k.Over() {
			deadline = min(deadline, loop.Now()+int64(LateThreads))
		}
		if now := loop.Now(); deadline > 0 && now >= deadline && (now >= deadline+int64(lastThreads) || !underWay(w.worker, now)) {
			break // what still runs is stuck; the process ends with it
		}
	}
	abort(w.worker)
	return nil
}

// underWay tells whether a thread of the pool is still on its way to its end:
// outside the application, or in it for less than it is given.
func underWay(w *worker, now int64) bool {
	if w.watch == nil {
		return false // nobody knows where they are
	}
	for _, s := range w.threads[1:] {
		start := s.Watched.Since()
		if !s.gone.Load() && (start == 0 || now-start < int64(LateThreads)) {
			return true
		}
	}
	return false
}

// abort is the end of a worker with threads that are stuck: the others have
// answered their requests, and now the master's SIGABRT is waited for, so that
// its Python handler runs the hook worker_abort.
func abort(w *worker) {
	if w.answers.Lost.Load() == 0 || w.quitting.Load() {
		return
	}
	w.Tell(workerctl.WorkerTimedOut{})
	for end := loop.Now() + int64(abortTime); !w.quitting.Load() && loop.Now() < end; {
		w.watcher.Wait(drainLook)
		for ev, ok := w.watcher.Next(); ok; ev, ok = w.watcher.Next() {
			w.attend(w.threads[0], ev.FD)
		}
	}
}

// lastMoment is when the main thread stops waiting for the others.
func lastMoment(w *worker) int64 {
	if w.quitting.Load() {
		return loop.Now() + int64(LateThreads)
	}
	if grace := w.graceful.Load(); grace > 0 {
		return loop.Now() + grace + int64(LateThreads)
	}
	return 1<<63 - 1
}

// enlist makes the calling thread the n-th of the application, for life.
func enlist(w *worker, n int, app Application) {
	s := w.threads[n]
	lendApplication(s, app)
	s.Watched.Ident.Store(w.Ident())
	<-w.crew.pool.begun
	var l *eventLoop
	if n == 1 {
		l = w.crew.pool.first
	}
	w.crew.pool.work(s, l)
}

// signals runs the Python signal handlers that are due, on the main thread.
func signals(s *appThread) {
	w := s.w
	if w.Wakeup >= 0 {
		var b [64]byte
		for {
			n, err := unix.Read(w.Wakeup, b[:])
			if err == unix.EINTR || n == len(b) {
				continue
			}
			break
		}
	}
	if w.hub != nil {
		w.hub.chores |= call.ChoreSignals
		return
	}
	heed(w, s.RunSignals())
}

// heed is what Python's signal handlers have asked for.
func heed(w *worker, flags call.Flags) {
	if flags&call.QuitRequested != 0 {
		w.order(quitOrder)
	}
	if flags&call.DrainRequested != 0 {
		w.ReadOrders() // the master's orders, sent before the signal, say what it leaves out
		w.order(drainOrder)
	}
}

// attend answers an event of the control channel, the signals, or a waker.
func (w *worker) attend(s *appThread, fd int) {
	switch {
	case w.hub != nil && w.hub.attend(fd):
	case fd == w.Wakeup:
		signals(s)
	case fd == w.Control:
		w.ReadOrders()
	default:
		w.crew.clearWaker(fd)
	}
}

// attendTo registers the control channel and the wake-up descriptor of
// Python's signal handlers where the main thread waits, and makes the hub if it waits in one.
func attendTo(s *appThread) error {
	w := s.w
	fds := []int{w.Control, w.Wakeup}
	if w.crew.pool.size > 1 {
		var err error
		if w.watcher, err = loop.NewPoller(); err != nil {
			return err
		}
		w.Own(w.watcher.FD(), true)
		fds = append(fds, w.crew.pool.ended.FD())
	}
	for _, fd := range fds {
		if fd < 0 {
			continue
		}
		if e := w.watcher.Add(fd, special, loop.ReadLevel); e != loop.None {
			return unix.Errno(e)
		}
	}
	if w.Hub != nil {
		return newHub(s)
	}
	return nil
}
