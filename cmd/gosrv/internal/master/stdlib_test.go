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
func sharing(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, map[string]any{"workers": 3, "no_share_stdlib": false})
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
