package master

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/zygote"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/workerctl"
)

// sowing is a world that serves and has a seed.
func sowing(t *testing.T) (w *world, zygote, seed *fakeZygote) {
	t.Helper()
	w = newWorld(t, nil)
	w.seeds = true
	w.serve()
	if len(w.zygotes) != 2 || !w.zygotes[1].seed || w.m.seeds.seed == nil {
		t.Fatalf("%d zygotes, seed %v", len(w.zygotes), w.m.seeds.seed)
	}
	return w, w.zygotes[0], w.zygotes[1]
}

func TestReloadGrowsFromTheSeed(t *testing.T) {
	w, first, seed := sowing(t)
	w.signal(unix.SIGHUP)
	if w.m.gens.Next != nil || w.m.gens.Current.Number != 2 || w.m.gens.Current.Zygote.PID != seed.pid {
		t.Fatalf("generation %d of zygote %d, want 2 of %d", w.m.gens.Current.Number, w.m.gens.Current.Zygote.PID, seed.pid)
	}
	if !first.dead || len(seed.configured) != 1 || len(w.zygotes) != 3 || !w.zygotes[2].seed {
		t.Errorf("first dead: %v, seed configured %d times, %d zygotes", first.dead, len(seed.configured), len(w.zygotes))
	}
	w.signal(unix.SIGTERM)
	if !w.m.finished || len(w.dead) != 0 {
		t.Errorf("finished %v", w.m.finished)
	}
	for _, z := range w.zygotes {
		if !z.dead {
			t.Errorf("zygote %d is left", z.pid)
		}
	}
}

func TestStaleSeedMakesRoomForANewInterpreter(t *testing.T) {
	w, _, seed := sowing(t)
	w.stale = true
	w.signal(unix.SIGHUP)
	if w.m.gens.Current.Number != 2 || w.m.gens.Current.Zygote.PID == seed.pid || !seed.dead {
		t.Fatalf("generation %d of zygote %d", w.m.gens.Current.Number, w.m.gens.Current.Zygote.PID)
	}
	if w.m.seeds.seed == nil || w.m.seeds.seed.PID == 0 {
		t.Errorf("the new interpreter has left no seed")
	}
}

// A HUP that comes before the seed's death is known starts an interpreter all the same.
func TestReloadRightAfterTheSeedsEnd(t *testing.T) {
	w, _, seed := sowing(t)
	w.endZygote(seed, signaled(unix.SIGKILL))
	w.signal(unix.SIGHUP)
	if w.m.gens.Current.Number != 2 || w.m.gens.Current.Zygote.PID == seed.pid {
		t.Errorf("generation %d of zygote %d", w.m.gens.Current.Number, w.m.gens.Current.Zygote.PID)
	}
}

func TestReloadWithoutASeed(t *testing.T) {
	for name, end := range map[string]func(w *world, seed *fakeZygote){
		"killed": func(w *world, seed *fakeZygote) { _ = w.kill(seed.pid, unix.SIGKILL) },
		"closed": func(_ *world, seed *fakeZygote) { seed.ch.eof = true },
	} {
		w, _, seed := sowing(t)
		end(w, seed)
		w.run()
		w.signal(unix.SIGHUP)
		if w.m.gens.Current.Number != 2 || w.m.gens.Current.Zygote.PID == seed.pid || w.m.seeds.seed == nil {
			t.Errorf("%s: generation %d of zygote %d, seed %v", name, w.m.gens.Current.Number, w.m.gens.Current.Zygote.PID, w.m.seeds.seed)
		}
	}
}

// A seed that dies as a zygote takes its own with it, or no reload would succeed
// any more if they are what is broken.
func TestAfterADeadSeedComesANewInterpreter(t *testing.T) {
	w, _, seed := sowing(t)
	w.bootHangs = true
	w.signal(unix.SIGHUP)
	_ = w.kill(seed.pid, unix.SIGKILL)
	w.run()
	w.bootHangs = false
	if w.m.gens.Next != nil || w.m.gens.Current.Number != 1 || w.m.seeds.seed != nil {
		t.Fatalf("current generation %d, seed %v", w.m.gens.Current.Number, w.m.seeds.seed)
	}
	w.signal(unix.SIGHUP)
	if w.m.gens.Current.Number != 3 || w.m.gens.Current.Zygote.Origin != zygote.Executed {
		t.Errorf("generation %d, from a seed: %v", w.m.gens.Current.Number, w.m.gens.Current.Zygote.Origin)
	}
}

// A stop waits for a seed that may be about to be forked, but not for ever.
func TestStopWaitsForASeedThatIsBeingForked(t *testing.T) {
	for _, forked := range []bool{true, false} {
		w := newWorld(t, nil)
		w.zygoteHangs = true
		w.m.begin()
		w.run()
		ch := w.m.seeds.seed.Channel.(*fakeChannel)
		w.signal(unix.SIGTERM)
		w.pass(zygote.ExitGrace / 2)
		if w.m.finished {
			t.Fatal("it did not wait")
		}
		if !strings.Contains(typesOf(ch.sent), "Exit") {
			t.Errorf("the seed was told %s", typesOf(ch.sent))
		}
		if forked {
			w.zygoteHangs = false
			w.zygotes = append(w.zygotes, &fakeZygote{pid: 77, ch: ch, seed: true})
			ch.say(zygotectl.SeedReady{PID: 77})
			w.run()
		}
		w.pass(zygote.ExitGrace + time.Millisecond)
		if !w.m.finished {
			t.Errorf("forked %v: it waits for ever", forked)
		}
	}
}

// A seed that is told to exit may say that it is there, and be dead, between the two looks of one turn.
func TestASeedThatIsReapedBeforeItIsKnown(t *testing.T) {
	w := newWorld(t, nil)
	w.zygoteHangs = true
	w.m.begin()
	w.run()
	ch := w.m.seeds.seed.Channel.(*fakeChannel)
	w.signal(unix.SIGTERM)
	w.m.readAll()
	ch.say(zygotectl.SeedReady{PID: 77})
	w.dead = append(w.dead, death{77, exited(0)})
	w.m.reapAll()
	w.pass(zygote.ExitGrace + time.Millisecond)
	if !w.m.finished {
		t.Error("it waits for ever")
	}
}

func typesOf(sent []workerctl.Message) string {
	var types []string
	for _, msg := range sent {
		types = append(types, msg.Type())
	}
	return strings.Join(types, " ")
}
