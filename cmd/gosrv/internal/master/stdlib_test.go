package master

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/generation"
	"gosrv/cmd/gosrv/internal/stdlib"
	"gosrv/wsgi/ipc/workerctl"
)

var names = strings.Split("argparse asyncio ast copy csv decimal difflib email gettext glob gzip hashlib http html hmac pickle ssl", " ")

// sharing is a world of three workers that share the standard library, at its start.
func sharing(t *testing.T, more ...any) *world {
	t.Helper()
	settings := map[string]any{"workers": 3, "no_share_stdlib": false}
	for i := 0; i < len(more); i += 2 {
		settings[more[i].(string)] = more[i+1]
	}
	w := newWorld(t, settings)
	w.m.zygotes.stdlib.Cache = stdlib.Cache{Dir: t.TempDir() + "/gosrv"}
	return w
}

// tells lets a worker say what it has imported, and be ready.
func (w *world) tells(k *fakeWorker, msg workerctl.WorkerImported) {
	w.t.Helper()
	k.ch.say(msg)
	k.ch.say(workerctl.WorkerReady{})
	w.run()
}

func TestTheFirstWorkerTellsWhatAllShare(t *testing.T) {
	w := sharing(t)
	w.m.begin()
	w.run()
	if len(w.workers) != 1 {
		t.Fatalf("%d workers before the first has told", len(w.workers))
	}
	w.tells(w.workers[0], workerctl.WorkerImported{Modules: names})
	if z := w.zygotes[0]; len(w.workers) != 3 || len(z.imports) != 1 || !slices.Equal(z.imports[0], names) {
		t.Fatalf("%d workers, imports %v", len(w.workers), z.imports)
	}
	for _, k := range w.workers[1:] {
		w.tells(k, workerctl.WorkerImported{Modules: names})
	}
	w.signal(unix.SIGHUP) // they are known
	if z := w.zygotes[1]; len(w.workers) != 6 || len(z.imports) != 1 {
		t.Fatalf("reload: %d workers, imports %v", len(w.workers), z.imports)
	}

	again := sharing(t) // another start
	again.m.zygotes.stdlib.Cache = w.m.zygotes.stdlib.Cache
	again.m.begin()
	again.run()
	if z := again.zygotes[0]; len(again.workers) != 3 || len(z.imports) != 1 {
		t.Errorf("next start: %d workers, imports %v", len(again.workers), z.imports)
	}
}

// A seed is for those whose imports are short.
func TestNoSeedBesideWhatIsShared(t *testing.T) {
	w := sharing(t)
	w.seeds = true
	w.m.begin()
	w.run()
	w.tells(w.workers[0], workerctl.WorkerImported{Modules: names})
	if seed := w.zygotes[1]; !seed.seed || !seed.dead || w.m.seeds.seed != nil {
		t.Errorf("the seed is dead: %t", seed.dead)
	}
	for _, k := range w.workers[1:] {
		w.ready(k)
	}
	w.signal(unix.SIGHUP)
	if last := w.zygotes[len(w.zygotes)-1]; len(w.zygotes) != 3 || last.seed {
		t.Errorf("%d zygotes and seeds after a reload", len(w.zygotes))
	}

	w = sharing(t)
	w.seeds = true
	w.m.begin()
	w.run()
	w.tells(w.workers[0], workerctl.WorkerImported{Modules: names[:3]})
	if seed := w.zygotes[1]; seed.dead || w.zygotes[0].imports != nil || len(w.workers) != 3 {
		t.Errorf("three modules: the seed is dead: %t", seed.dead)
	}
}

func TestOthersDoNotWaitForEverForTheFirst(t *testing.T) {
	w := sharing(t)
	w.m.begin()
	w.run()
	w.pass(6 * time.Second)
	if len(w.workers) != 3 {
		t.Errorf("%d workers", len(w.workers))
	}
}

// A patch has to come before the modules that bind what it replaces.
func TestAnObstacleIsFoundInTimeOrMadeGood(t *testing.T) {
	w := sharing(t)
	w.m.begin()
	w.run()
	w.tells(w.workers[0], workerctl.WorkerImported{Obstacle: "gevent"})
	if len(w.workers) != 3 || w.zygotes[0].imports != nil || w.m.gens.Current.Stdlib.State != generation.Apart {
		t.Fatalf("%d workers, imports %v", len(w.workers), w.zygotes[0].imports)
	}

	w = sharing(t)
	w.m.begin()
	w.run()
	w.tells(w.workers[0], workerctl.WorkerImported{Modules: names})
	w.workers[1].ch.say(workerctl.WorkerImported{Obstacle: "gevent"})
	w.end(w.workers[1], exited(0))
	w.run()
	first, second := w.zygotes[0], w.zygotes[1]
	if !first.dead || second.dead || second.imports != nil {
		t.Fatalf("zygotes dead: %t, %t; imports %v", first.dead, second.dead, second.imports)
	}
	if len(w.workers) != 6 || w.m.finished || w.m.gens.Current.Boots.Fails != 0 {
		t.Errorf("%d workers, finished %t, %d failures", len(w.workers), w.m.finished, w.m.gens.Current.Boots.Fails)
	}
	again := sharing(t)
	again.m.zygotes.stdlib.Cache = w.m.zygotes.stdlib.Cache
	again.m.begin()
	again.run()
	if len(again.workers) != 1 || again.zygotes[0].imports != nil {
		t.Errorf("it is still known at the next start: %v", again.zygotes[0].imports)
	}
}

func TestAZygoteThatDiesOfItIsNotAskedAgain(t *testing.T) {
	w := sharing(t)
	w.stdlibKills = true
	w.m.begin()
	w.run()
	w.tells(w.workers[0], workerctl.WorkerImported{Modules: names})
	for _, c := range w.m.table.List {
		if c.PID == 0 {
			c.Channel.(*fakeChannel).eof = true // it was on its way to the zygote
		}
	}
	w.pass(time.Second)
	if z := w.zygotes[1]; z.dead || z.imports != nil || len(w.workers) != 3 {
		t.Errorf("%d workers, imports %v", len(w.workers), z.imports)
	}
}

// settled is a world of workers that have all told what they have imported.
func settled(t *testing.T, settings ...any) *world {
	t.Helper()
	w := sharing(t, settings...)
	w.m.begin()
	w.run()
	for i := 0; i < len(w.workers); i++ {
		w.tells(w.workers[i], workerctl.WorkerImported{Modules: names})
	}
	return w
}

// asleep is one whose workers have been there for a while: their zygote has ended.
func asleep(t *testing.T) *world {
	t.Helper()
	w := settled(t)
	if w.pass(8 * time.Second); w.zygotes[0].dead {
		t.Fatal("the zygote has ended when its workers have just been forked")
	}
	if w.pass(3 * time.Second); !w.zygotes[0].dead || !w.m.gens.Current.Asleep {
		t.Fatalf("the zygote is dead: %t", w.zygotes[0].dead)
	}
	return w
}

// Pages of a zygote of which every worker has its own copy by then are of use to nobody.
func TestAZygoteWithNothingToDoEndsUntilAWorkerIsWanted(t *testing.T) {
	w := asleep(t)
	if w.pass(time.Minute); len(w.zygotes) != 1 || w.m.finished {
		t.Fatalf("%d zygotes; log:\n%s", len(w.zygotes), w.text())
	}
	w.end(w.workers[0], signaled(unix.SIGKILL))
	w.run()
	next := w.zygotes[1]
	if w.m.gens.Current.Zygote.PID != next.pid || len(next.imports) != 1 || len(w.workers) != 4 {
		t.Fatalf("imports %v, %d workers", next.imports, len(w.workers))
	}
	w.tells(w.workers[3], workerctl.WorkerImported{Modules: names})
	if w.pass(time.Minute); !next.dead || len(w.zygotes) != 2 || len(w.alive()) != 3 {
		t.Errorf("it does not sleep again: %d zygotes, %d workers", len(w.zygotes), len(w.alive()))
	}
	w.signal(unix.SIGTTIN)
	if len(w.workers) != 5 || w.m.gens.Current.Asleep {
		t.Errorf("TTIN: %d workers", len(w.workers))
	}
	if w.signal(unix.SIGTERM); !w.m.finished {
		t.Error("it does not stop")
	}
}

func TestASleepingServerIsReloadedAndStopped(t *testing.T) {
	w := asleep(t)
	w.signal(unix.SIGHUP)
	for _, k := range w.workers[3:] {
		w.tells(k, workerctl.WorkerImported{Modules: names})
	}
	if g := w.m.gens.Current; g.Number != 2 || g.Zygote.PID != w.zygotes[1].pid || g.Asleep {
		t.Fatalf("generation %d", g.Number)
	}
	if w.pass(time.Minute); !w.m.gens.Current.Asleep || len(w.alive()) != 3 {
		t.Fatalf("%d workers", len(w.alive()))
	}
	if w.signal(unix.SIGTERM); !w.m.finished {
		t.Error("it does not stop")
	}
}

func TestAZygoteStaysForWhatANewOneWouldNotHave(t *testing.T) {
	for _, setting := range [][]any{{"max_requests", 100}, {"refork_after", 100}, {"preload_app", true}, {"workers", 1}} {
		w := settled(t, setting...)
		if w.pass(time.Minute); w.m.gens.Current.Asleep || w.zygotes[0].dead {
			t.Errorf("%v: it has ended", setting)
		}
	}
	for name, spoil := range map[string]func(g *generation.Generation){
		"a configuration file": func(g *generation.Generation) { g.Plain = false },
		"a handler of lines":   func(g *generation.Generation) { g.Zygote.Logging.Relay = true },
		"a thread of a hook's": func(g *generation.Generation) { g.Zygote.Keeps = true },
	} {
		w := settled(t)
		spoil(w.m.gens.Current)
		if w.pass(time.Minute); w.m.gens.Current.Asleep || w.zygotes[0].dead {
			t.Errorf("%s: it has ended", name)
		}
	}
}
