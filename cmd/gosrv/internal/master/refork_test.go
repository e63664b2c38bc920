package master

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/zygotectl"
)

// reforking is a world whose workers are to fork a zygote after three requests.
type reforking struct {
	*world
	ordered []*fakeChannel // to zygotes that workers were told to fork
}

func newReforking(t *testing.T, settings map[string]any) *reforking {
	t.Helper()
	settings["refork_after"] = 3
	r := &reforking{world: newWorld(t, settings)}
	ordered := false
	r.m.sys.Library = func() (int, error) { ordered = true; return 9, nil }
	pair := r.m.sys.Pair
	r.m.sys.Pair = func() (zygotectl.Channel, int, error) {
		ch, fd, err := pair()
		if ordered {
			r.ordered = append(r.ordered, ch.(*fakeChannel))
		}
		ordered = false
		return ch, fd, err
	}
	r.serve()
	return r
}

// request counts requests of a worker.
func (r *reforking) request(k *fakeWorker, n int) {
	for range n {
		r.m.shared.Board.Slot(k.serve.Worker.Slot).AddRequest()
	}
	r.run()
}

// fork lets the zygote that was ordered last come to be.
func (r *reforking) fork() *fakeZygote {
	r.t.Helper()
	if len(r.ordered) == 0 {
		r.t.Fatalf("no zygote was ordered; log:\n%s", r.text())
	}
	r.nextPID++
	z := &fakeZygote{pid: r.nextPID, ch: r.ordered[len(r.ordered)-1]}
	r.zygotes = append(r.zygotes, z)
	z.ch.say(zygotectl.ZygoteForked{PID: z.pid})
	r.run()
	return z
}

func TestReforkReplacesTheZygoteAndThenEachWorker(t *testing.T) {
	r := newReforking(t, map[string]any{"workers": 3})
	old, before := r.zygote(), r.alive()
	r.request(before[1], 2)
	r.wantAlive(3)
	r.bootHangs = true
	r.request(before[1], 1)
	r.wantAlive(4)
	if before[1].dead || len(r.ordered) != 0 {
		t.Fatal("the model is told to go before its successor is ready")
	}
	r.ready(r.alive()[3])
	if len(r.ordered) != 1 || !before[1].dead {
		t.Fatalf("the model was told %v", before[1].got)
	}
	z := r.fork()
	if old.dead {
		t.Fatal("the old zygote ends before the new one is ready")
	}
	z.ch.say(zygotectl.Configured{Warnings: []string{"a warning"}})
	r.run()
	if !old.dead {
		t.Error("the old zygote lives")
	}
	for range 3 {
		r.wantAlive(4)
		fresh := r.alive()[3]
		r.ready(fresh)
	}
	r.wantAlive(3)
	for _, k := range before {
		if !k.dead {
			t.Error("a worker of the old zygote lives")
		}
	}
	r.wantLog("a warning", "comes from a worker", "All workers of generation 1 come from the zygote")
	r.bootHangs = false
	r.request(r.alive()[0], 9)
	r.wantAlive(3)
	if len(r.ordered) != 1 {
		t.Error("it happens more than once a generation")
	}
	// and anew after a reload
	r.signal(unix.SIGHUP)
	r.request(r.alive()[0], 3)
	if len(r.ordered) != 2 {
		t.Errorf("the next generation has no zygote of a worker; log:\n%s", r.lines())
	}
}

func TestReforkThatFailsLeavesTheOldZygote(t *testing.T) {
	for name, c := range map[string]struct {
		happen  func(r *reforking)
		ordered int
		want    string
	}{
		"it says so": {func(r *reforking) { r.fork().ch.say(zygotectl.Failed{Message: "no room"}) }, 1, "No zygote of a worker: no room"},
		"it dies":    {func(r *reforking) { r.endZygote(r.fork(), signaled(unix.SIGKILL)) }, 1, "No zygote of a worker: it "},
		"it hangs":   {func(r *reforking) { r.fork().hangs = true; r.pass(30*time.Second + reforkPatience) }, 1, "nothing was heard of it for 60s"},
		"no library": {func(*reforking) {}, 0, "No zygote of a worker: there is none"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReforking(t, map[string]any{})
			if c.ordered == 0 {
				r.m.sys.Library = func() (int, error) { return -1, errors.New("there is none") }
			}
			old := r.zygote()
			r.request(r.alive()[0], 3)
			c.happen(r)
			r.run()
			r.request(r.alive()[0], 9)
			r.pass(2 * time.Second)
			r.wantAlive(2)
			r.wantLog(c.want, "Workers of generation 1 are forked from the zygote that it has")
			if old.dead || len(r.ordered) != c.ordered {
				t.Errorf("old zygote dead: %v; %d attempts", old.dead, len(r.ordered))
			}
			for _, z := range r.zygotes[1:] {
				if !z.dead {
					t.Error("a zygote that nobody needs lives")
				}
			}
			r.signal(unix.SIGTERM)
			r.run()
			if !r.m.finished {
				t.Errorf("does not end; log:\n%s", r.lines())
			}
		})
	}
}

func TestReforkIsTriedAgainWhenTheModelDies(t *testing.T) {
	r := newReforking(t, map[string]any{})
	for range reforkTries {
		r.request(r.alive()[0], 3)
		r.ordered[len(r.ordered)-1].eof = true
		r.run()
		r.wantAlive(2)
	}
	r.request(r.alive()[0], 3)
	if len(r.ordered) != reforkTries || r.zygote().dead {
		t.Errorf("%d attempts", len(r.ordered))
	}
	if n := strings.Count(r.lines(), "the worker ended without it"); n != reforkTries {
		t.Errorf("%d lines", n)
	}
}

func TestReloadAndStopComeBeforeRefork(t *testing.T) {
	for name, happen := range map[string]func(r *reforking){
		"reload": func(r *reforking) { r.signal(unix.SIGHUP) },
		"stop":   func(r *reforking) { r.signal(unix.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newReforking(t, map[string]any{})
			r.request(r.alive()[0], 3)
			z := r.fork()
			happen(r)
			if !z.dead {
				t.Error("the new zygote lives")
			}
			if name == "stop" != r.m.finished {
				t.Errorf("finished: %v; log:\n%s", r.m.finished, r.lines())
			}
		})
	}
}

func TestReforkWhoseZygoteDiesEndsThere(t *testing.T) {
	r := newReforking(t, map[string]any{"workers": 3})
	r.request(r.alive()[0], 3)
	z := r.fork()
	r.bootHangs = true
	z.ch.say(zygotectl.Configured{})
	r.run()
	r.endZygote(z, signaled(unix.SIGKILL))
	r.bootHangs = false
	for _, k := range r.alive()[3:] {
		r.ready(k)
	}
	r.pass(5 * time.Second)
	r.wantAlive(3)
	r.wantLog("its zygote is started again")
}
