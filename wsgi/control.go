package wsgi

import (
	"encoding/json"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cpython"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
)

// control reads what the master has sent. l is the caller's if it leads; nil: the
// main thread of a pool reads.
func (w *worker) control(l *eventLoop) {
	if w.ctl == nil {
		return
	}
	for {
		typ, raw, fds, err := w.ctl.TryRecv()
		if errors.Is(err, workerctl.ErrWouldBlock) {
			return
		}
		if err != nil {
			// The master is gone: nobody will stop or replace this worker.
			w.watcher.Remove(w.ctl.FD())
			w.order(drainOrder | finalOrder)
			return
		}
		w.message(l, typ, raw, fds)
	}
}

// message is one order of the master.
func (w *worker) message(l *eventLoop, typ string, raw json.RawMessage, fds []int) {
	switch typ {
	case "Drain":
		var m struct {
			GracefulTimeout float64 `json:"graceful_timeout"`
			Final           bool    `json:"final"`
		}
		if json.Unmarshal(raw, &m) == nil && m.GracefulTimeout > 0 {
			w.graceful.Store(int64(m.GracefulTimeout * float64(time.Second)))
		}
		bits := drainOrder
		if m.Final {
			bits |= finalOrder
		}
		w.order(bits)
	case "Quit":
		w.order(quitOrder)
	case "Look":
		w.order(lookOrder)
	case "Cover", "Uncover":
		if w.takeCover(typ, raw, fds) {
			return
		}
	case "Exchange":
		var m workerctl.Exchange
		if l != nil && json.Unmarshal(raw, &m) == nil && l.handover.joinExchange(m.FDs, fds) {
			return
		}
	case "Refork":
		if takeReforkOrder(w, fds) {
			return
		}
	case "ReopenLogs":
		var m workerctl.ReopenLogs
		if json.Unmarshal(raw, &m) == nil {
			w.reopenLogs(m.FDs, fds)
			return
		}
	}
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// reopenLogs takes new log files over. The old descriptors are replaced in
// place, so that whoever holds their number writes to the new file.
func (w *logging) reopenLogs(names []string, fds []int) {
	for i, fd := range fds {
		if i < len(names) {
			if names[i] == workerctl.FDAccessLog && w.access != nil {
				w.access.SetFD(fd) // its own from now on
				continue
			}
			if old, ok := w.logFDs[names[i]]; ok {
				_ = unix.Dup3(fd, old, unix.O_CLOEXEC)
			}
			if names[i] == workerctl.FDErrorLog {
				errlog.LastWords(fd)
			}
			if names[i] == workerctl.FDErrorLog && w.pythonLog != nil {
				w.pythonLog(fd) // Python's loggers came with a descriptor of their own
			}
		}
		_ = unix.Close(fd)
	}
}

// signals runs the Python signal handlers that are due, on the main thread.
func signals(s *slot) {
	w := s.w
	if w.wakeup >= 0 {
		var b [64]byte
		for {
			n, err := unix.Read(w.wakeup, b[:])
			if err == unix.EINTR || n == len(b) {
				continue
			}
			break
		}
	}
	flags := s.runSignals()
	if flags&cpython.QuitRequested != 0 {
		w.order(quitOrder)
	}
	if flags&cpython.DrainRequested != 0 {
		w.control(s.l) // the master's orders, sent before the signal, say what it leaves out
		w.order(drainOrder)
	}
}

// attend answers an event of the control channel, the signals, or a waker.
func (w *worker) attend(s *slot, fd int) {
	k := &w.pool
	switch {
	case fd == w.wakeup:
		signals(s)
	case fd == w.controlFD():
		w.control(s.l)
	case k.size > 1 && fd == k.Waker().FD():
		k.Waker().Clear()
	case k.size > 1 && fd == k.ended.FD():
		k.ended.Clear()
	case w.backup != nil && fd == w.backup.Waker().FD():
		w.backup.Waker().Clear()
	}
}

func (w *worker) controlFD() int {
	if w.ctl == nil {
		return -1
	}
	return w.ctl.FD()
}
