package server

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"gosrv/wsgi/ipc/workerctl"
)

// drained waits until the worker says that it drains, and gives its words.
func (s *server) drained() (said workerctl.WorkerDraining) {
	s.t.Helper()
	for {
		typ, raw, _, err := s.master.Recv()
		if err != nil {
			s.t.Fatal(err)
		}
		if typ == "WorkerDraining" {
			if err := json.Unmarshal(raw, &said); err != nil {
				s.t.Fatal(err)
			}
			return said
		}
	}
}

// After a reload the next connection is for new code, whatever the worker was at
// when it was told.
func TestWorkerToldToLeaveDuringItsRequestsTakesNoMore(t *testing.T) {
	for _, threads := range []int{1, 2} {
		t.Run(fmt.Sprint(threads), func(t *testing.T) {
			set := testSettings()
			set.Threads = threads
			app := newSticky()
			defer app.release()
			s := serveFake(t, set, app.handle)
			var busy []*client
			for range threads {
				busy = append(busy, app.occupy(s))
			}
			time.Sleep(2 * stuck) // at least
			late := s.dial()
			late.send(get("/late"))
			if err := s.master.Send(workerctl.Drain{GracefulTimeout: 30}); err != nil {
				t.Fatal(err)
			}
			if threads > 1 { // its main thread reads that meanwhile
				waitFor(t, func() bool { return s.worker.wanted.Load() != 0 })
			}
			app.release()
			if said := s.drained(); !said.Queue {
				t.Error("it does not say that somebody waits in the queue")
			}
			for _, c := range busy {
				c.head()
				c.Close()
			}
			s.wait()
			if n := s.app.calls.Load(); n != int64(threads) {
				t.Errorf("%d requests served", n)
			}
		})
	}
}

func TestWorkerToldToLeaveBeforeItBeginsTakesNobody(t *testing.T) {
	for _, threads := range []int{1, 2} {
		set := testSettings()
		set.Threads = threads
		s := newFake(t, set, hello)
		if err := s.master.Send(workerctl.Drain{GracefulTimeout: 30}); err != nil {
			t.Fatal(err)
		}
		s.dial().send(get("/"))
		s.begin()
		if said := s.drained(); !said.Queue {
			t.Error("it does not say that somebody waits in the queue")
		}
		s.wait()
		if n := s.app.calls.Load(); n != 0 {
			t.Errorf("%d requests served", n)
		}
	}
}

// The kernel wakes one worker for a connection. If that leaves, another is told.
func TestWorkerThatWasNotWokenLooksWhenItIsTold(t *testing.T) {
	for _, threads := range []int{1, 2} {
		set := testSettings()
		set.Threads = threads
		s := serveFake(t, set, hello)
		first := s.dial()
		first.send(get("/"))
		wantAnswer(first, "GET / ")
		s.poll.Remove(s.sources.listeners[0].fd) // as if another had been woken
		c := s.dial()
		c.send(get("/waits"))
		if err := s.master.Send(workerctl.Look{}); err != nil {
			t.Fatal(err)
		}
		wantAnswer(c, "GET /waits ")
	}
}
