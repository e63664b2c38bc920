package server

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gosrv/wsgi/call"
	"gosrv/wsgi/ipc/workerctl"
)

// withThreads runs a test against a worker of four threads.
func withThreads(t *testing.T, f func(t *testing.T)) {
	testThreads = 4
	defer func() { testThreads = 1 }()
	f(t)
}

func TestThreadsServeAsOneDoes(t *testing.T) {
	for name, f := range map[string]func(*testing.T){
		"keep-alive": TestKeptAliveConnectionAnswersRequestsInTurn,
		"pipelining": TestPipelinedRequestsAreAnsweredInOrder,
		"slow":       TestRequestFedByteByByte,
		"bodies":     TestBodiesOfEverySizeArrive,
		"expect":     TestExpectContinueIsAnsweredWhenTheBodyIsWanted,
		"framing":    TestFramingFollowsMethodStatusAndVersion,
		"faults":     TestFaultsOfTheApplicationAreLoggedAnd500,
		"exceptions": TestExceptionsBeforeAndAfterTheHead,
		"refusals":   TestRefusedRequestsEndTheConnection,
		"unread":     TestErrorIsDeliveredDespiteAnUnreadBody,
		"half":       TestHalfClosedClientGetsItsAnswer,
		"reader":     TestSlowReaderHoldsTheGeneratorBack,
		"gone":       TestClientGoneFinishesTheCallOnce,
		"files":      TestFilesLeaveBySendfile,
		"write":      TestWriteCallableLeavesAtOnce,
	} {
		t.Run(name, func(t *testing.T) { withThreads(t, f) })
	}
}

func TestThreadsAreInTheApplicationAtOnce(t *testing.T) {
	withThreads(t, func(t *testing.T) {
		var inside atomic.Int32
		all := make(chan struct{})
		s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
			if inside.Add(1) == 4 {
				close(all)
			}
			<-all
			return fakeReply{status: "200 OK"}
		})
		var wg sync.WaitGroup
		for range 4 {
			c := s.dial()
			wg.Go(func() {
				c.send(get("/"))
				c.head()
			})
		}
		wg.Wait()
	})
}

func TestStuckRequestDelaysNoOther(t *testing.T) {
	withThreads(t, func(t *testing.T) {
		free := make(chan struct{})
		s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
			if r.path == "/stuck" {
				<-free
			}
			return hello(r)
		})
		stuck := []*client{s.dial(), s.dial(), s.dial()}
		for _, c := range stuck {
			c.send(get("/stuck"))
		}
		other := s.dial()
		for i := range 50 {
			other.send(get(fmt.Sprint("/", i)))
			wantAnswer(other, fmt.Sprintf("GET /%d ", i))
		}
		close(free)
		for _, c := range stuck {
			wantAnswer(c, "GET /stuck ")
			c.send(get("/again"))
			wantAnswer(c, "GET /again ")
		}
	})
}

// Every mixture of quick, slow and suspended answers on many connections must
// come out whole, whoever leads when.
func TestManyConnectionsOnManyThreads(t *testing.T) {
	withThreads(t, func(t *testing.T) {
		s := serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
			switch r.path {
			case "/slow":
				time.Sleep(2 * time.Millisecond)
			case "/stream":
				return fakeReply{status: "200 OK", headers: []string{"Content-Length: 3000000"}, next: func(i int) ([]byte, bool) {
					return make([]byte, 50000), i <= 60
				}}
			}
			return hello(r)
		})
		var wg sync.WaitGroup
		for n := range 32 {
			c := s.dial()
			wg.Go(func() {
				for i := range 40 {
					switch (n + i) % 8 {
					case 0:
						c.send(get("/slow"))
						wantAnswer(c, "GET /slow ")
					case 1:
						c.send(get("/stream"))
						c.head()
						c.body(3000000)
					default:
						c.send(get("/quick"))
						wantAnswer(c, "GET /quick ")
					}
				}
			})
		}
		wg.Wait()
	})
}

// The main thread, with which the process ends, waits for close() of what other
// threads have left suspended.
func TestWorkerEndsAfterCloseOfSuspendedAnswers(t *testing.T) {
	withThreads(t, func(t *testing.T) {
		var closed atomic.Bool
		s := serveFake(t, testSettings(), func(*fakeRequest) fakeReply {
			return endless(func() {
				time.Sleep(50 * time.Millisecond) // what close() takes, and less than it is given
				closed.Store(true)
			})
		})
		c := s.dial()
		c.send(get("/"))
		c.head()
		_ = s.master.Send(workerctl.Drain{GracefulTimeout: 0.1})
		s.wait()
		if !closed.Load() {
			t.Error("the worker has ended before close()")
		}
	})
}

// It waits longer for threads that are not stuck in the application, but only
// do not come to it: half a second is little on a busy machine.
func TestWorkerEndsAfterCloseByAThreadThatGetsNoTime(t *testing.T) {
	withThreads(t, func(t *testing.T) {
		set := testSettings()
		set.Request = time.Minute
		var closed atomic.Bool
		s := serveFake(t, set, func(*fakeRequest) fakeReply { return endless(func() { closed.Store(true) }) })
		c := s.dial()
		c.send(get("/"))
		c.head()
		s.app.releasing.Lock() // between two calls, that is
		_ = s.master.Send(workerctl.Drain{GracefulTimeout: 0.1})
		select {
		case <-s.ended:
		case <-time.After(LateThreads + 300*time.Millisecond):
		}
		s.app.releasing.Unlock()
		s.wait()
		if !closed.Load() {
			t.Error("the worker has ended before close()")
		}
	})
}

// With a pool the main thread handles signals and never leads.
func TestSignalsOfAThreadThatDoesNotLead(t *testing.T) {
	s := newFake(t, testSettings(), hello)
	main := newAppThread(s.eventLoop, 0, s.app.door(0))
	s.app.signals.Store(uint32(call.DrainRequested))
	signals(main)
	if main.l != nil || s.wanted.Load()&drainOrder == 0 {
		t.Errorf("leads: %v, orders %b", main.l != nil, s.wanted.Load())
	}
}
