package master

import (
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

func TestChildExitSeesEveryWorkerInTheNewestZygote(t *testing.T) {
	w := newWorld(t, map[string]any{"workers": 1})
	w.hooks = map[string]int{"child_exit": 2}
	w.serve()
	w.end(w.alive()[0], signaled(unix.SIGKILL))
	w.run()
	if got, want := w.zygote().facts, []string{"start 1", "child_exit 1", "start 2"}; !reflect.DeepEqual(got, want) {
		t.Errorf("first zygote heard %q, want %q", got, want)
	}
	w.signal(unix.SIGHUP)
	if got, want := w.zygote().facts, []string{"start 2", "start 3", "child_exit 2"}; !reflect.DeepEqual(got, want) {
		t.Errorf("second zygote heard %q, want %q", got, want)
	}
}

func TestServerHooksInGunicornsOrder(t *testing.T) {
	w := newWorld(t, nil)
	w.hooks = map[string]int{"on_starting": 1, "when_ready": 1, "on_reload": 1, "nworkers_changed": 3, "on_exit": 1}
	w.serve()
	first := w.zygote()
	w.signal(unix.SIGTTIN)
	if want := []string{"nworkers_changed", "on_starting", "when_ready", "nworkers_changed"}; !reflect.DeepEqual(first.hooks, want) {
		t.Errorf("first zygote ran %q", first.hooks)
	}
	if got := first.orders[3]; !reflect.DeepEqual(got.Args, []any{3, 2}) || got.Workers != 3 {
		t.Errorf("TTIN ordered %+v", got)
	}
	w.signal(unix.SIGHUP)
	w.signal(unix.SIGTERM)
	if want := []string{"nworkers_changed", "on_reload", "on_exit"}; !reflect.DeepEqual(w.zygote().hooks, want) {
		t.Errorf("second zygote ran %q", w.zygote().hooks)
	}
}

func TestZygoteWhoseHooksLeftSomethingLivesAsLongAsTheMaster(t *testing.T) {
	w := newWorld(t, nil)
	w.hooks = map[string]int{"when_ready": 1}
	w.hookKeeps = "when_ready"
	w.serve()
	first := w.zygote()
	for range 3 {
		w.signal(unix.SIGHUP)
	}
	alive := 0
	for _, z := range w.zygotes {
		if !z.dead {
			alive++
		}
	}
	if first.dead || alive != 2 {
		t.Errorf("first zygote dead: %v, %d zygotes live, want it and the newest", first.dead, alive)
	}
	w.signal(unix.SIGTERM)
	if !first.dead || !w.m.finished {
		t.Error("the stop must end it too")
	}
}
