package watchdog

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Time in which the process stood still is not the application's: it gets a
// moment to go on, but only one.
func TestProcessThatStoodStillIsNotJudgedAtOnce(t *testing.T) {
	const sec = int64(time.Second)
	d := &Watchdog{}
	if d.stoodStill(5 * sec) {
		t.Error("the first look was put off")
	}
	d.due = 10 * sec
	if d.stoodStill(10*sec + sec/10) {
		t.Error("a look that was as good as punctual was put off")
	}
	if !d.stoodStill(13 * sec) {
		t.Error("a look after 3 s of standstill was not put off")
	}
	if d.due = 14 * sec; d.stoodStill(20 * sec) {
		t.Error("a look was put off twice in a row")
	}
	if d.due = 30 * sec; !d.stoodStill(40 * sec) {
		t.Error("a later standstill does not count any more")
	}
}

// recorder is an owner that writes down what it is asked.
type recorder struct{ said []string }

func (r *recorder) say(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) owner() Owner {
	return Owner{
		Answer: func(thread int, begun bool) string {
			r.say("answer %d %v", thread, begun)
			return "GET /"
		},
		Report:   func(lines []string, stuck bool) { r.say("report %d", len(lines)) },
		Drain:    func() { r.say("drain") },
		TimedOut: func() { r.say("timed out") },
	}
}

// watching makes a watchdog over so many threads, of which the first is the main one.
func watching(limits Limits, n int) (*Watchdog, *recorder) {
	r := &recorder{}
	d := New(limits, r.owner())
	for i := range n {
		d.threads = append(d.threads, &Thread{Main: i == 0})
	}
	return d, r
}

func TestLateRequestIsAnsweredOnce(t *testing.T) {
	d, r := watching(Limits{Request: 100}, 1)
	d.threads[0].Start(1000, false)
	if next := d.Look(1040); next != 60 || r.said != nil {
		t.Errorf("in time: the next look is in %d ns, and %q", next, r.said)
	}
	d.Look(1100)
	d.Look(2000)
	if want := []string{"answer 0 false", "report 1", "timed out"}; !slices.Equal(r.said, want) {
		t.Errorf("%q, want %q", r.said, want)
	}
	if d.threads[0].Commit(false) || !d.threads[0].Stop() {
		t.Error("the call that came back late may answer")
	}
}

func TestBegunAnswerIsNotGivenAgain(t *testing.T) {
	d, r := watching(Limits{Request: 100}, 1)
	d.threads[0].Start(1000, false)
	d.threads[0].Commit(false)
	d.Look(1200)
	if want := []string{"answer 0 true", "report 1", "timed out"}; !slices.Equal(r.said, want) {
		t.Errorf("%q, want %q", r.said, want)
	}
}

func TestPoolDrainsWhenOneOfItsThreadsIsStuck(t *testing.T) {
	d, r := watching(Limits{Request: 100, Main: 1000, Pool: true}, 3)
	d.threads[0].Start(1000, true) // a signal handler, in time
	d.threads[1].Start(1000, false)
	d.threads[2].Start(1060, false)
	d.Look(1120)
	if want := []string{"answer 1 false", "report 1", "drain"}; !slices.Equal(r.said, want) {
		t.Errorf("%q, want %q", r.said, want)
	}
}

func TestInterimAnswerIsWaitedFor(t *testing.T) {
	d, r := watching(Limits{Request: 100}, 1)
	d.threads[0].Start(1000, false)
	d.threads[0].Pause()
	if next := d.Look(1200); next != pausedLook || r.said != nil {
		t.Errorf("the next look is in %d ns, and %q", next, r.said)
	}
	d.threads[0].Resume()
	d.Look(1200)
	if len(r.said) != 3 {
		t.Errorf("afterwards: %q", r.said)
	}
}

func TestEverythingIsLateWithoutTheGIL(t *testing.T) {
	d, r := watching(Limits{GIL: 400, Pool: true}, 3)
	free := make(chan struct{})
	defer close(free)
	d.owner.Probe = func() { <-free }
	d.threads[1].Start(1000, false)
	d.threads[2].Start(1001, true)
	d.Look(1000) // asks
	d.Look(1399)
	if r.said != nil {
		t.Errorf("too early: %q", r.said)
	}
	d.Look(1400)
	if want := []string{"answer 1 false", "answer 2 true", "report 3", "timed out"}; !slices.Equal(r.said, want) {
		t.Errorf("%q, want %q", r.said, want)
	}
}

func TestNoLimitsAreNoWatchdog(t *testing.T) {
	d := New(Limits{Pool: true}, Owner{})
	if d != nil {
		t.Error("there is one")
	}
	d.Start(nil) // does nothing, as its owner needs not ask
	d.End()
}

// The time of a request begins again when the application says that it is not
// stuck; the hard limit counts from its begin all the same.
func TestNotifiedRequestHasItsTimeAgain(t *testing.T) {
	for hard, want := range map[int64]int64{0: 1292, 250: 1250} {
		d, r := watching(Limits{Request: 100, Hard: hard}, 1)
		var notified int64
		d.owner.Notified = func() int64 { return notified }
		d.threads[0].Start(1000, false)
		now, looked := int64(1000), int64(0)
		for r.said == nil {
			looked = now
			now += d.Look(now)
			switch now {
			case 1100:
				notified = 1096
			case 1196:
				notified = 1192
			}
		}
		if looked != want {
			t.Errorf("hard %d: late at %d, want %d", hard, looked, want)
		}
	}
}

func TestNotificationOfAnEarlierRequestDoesNotCount(t *testing.T) {
	d, r := watching(Limits{Request: 100}, 1)
	d.owner.Notified = func() int64 { return 900 }
	d.threads[0].Start(1000, false)
	if next := d.Look(1040); next != 60 {
		t.Errorf("next look in %d", next)
	}
	if d.Look(1100); len(r.said) == 0 {
		t.Error("not found to be late")
	}
}
