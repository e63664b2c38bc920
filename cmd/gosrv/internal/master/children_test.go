package master

import (
	"reflect"
	"testing"
	"time"
)

// table makes children of one generation each, in the given states.
func table(t *testing.T, generation int, states ...state) *children {
	t.Helper()
	c := &children{slots: 8}
	for _, s := range states {
		k, ok := c.add(generation, time.Unix(0, 0))
		if !ok {
			t.Fatal("no slot")
		}
		k.state = s
	}
	return c
}

func ages(list []*child) []int {
	var a []int
	for _, c := range list {
		a = append(a, c.age)
	}
	return a
}

func TestPlanCountsWhatIsOrWillBeCapacity(t *testing.T) {
	for _, c := range []struct {
		name    string
		states  []state
		workers int
		spawn   int
		retire  []int
	}{
		{"none yet", nil, 3, 3, nil},
		{"on the way", []state{spawning, booting}, 2, 0, nil},
		{"one leaves by itself", []state{ready, draining}, 2, 1, nil},
		{"too many: oldest first", []state{ready, ready, booting}, 1, 0, []int{1, 2}},
		{"leaving ones do not count as too many", []state{draining, ready, ready}, 2, 0, nil},
		{"zero", []state{ready}, 0, 0, []int{1}},
	} {
		spawn, retire := table(t, 1, c.states...).plan(1, c.workers, false)
		if spawn != c.spawn || !reflect.DeepEqual(ages(retire), c.retire) {
			t.Errorf("%s: spawn %d, retire %v; want %d, %v", c.name, spawn, ages(retire), c.spawn, c.retire)
		}
	}
}

func TestGenerationsAreCountedApart(t *testing.T) {
	c := table(t, 1, ready, ready)
	fresh, _ := c.add(2, time.Unix(1, 0))
	if spawn, _ := c.plan(2, 2, false); spawn != 1 {
		t.Errorf("spawn %d", spawn)
	}
	if spawn, retire := c.plan(1, 2, false); spawn != 0 || retire != nil {
		t.Error("the old generation is not complete")
	}
	if fresh.nr != 0 || fresh.slot != 2 || fresh.age != 3 {
		t.Errorf("%+v", fresh)
	}
	if got := ages(c.except(2)); !reflect.DeepEqual(got, []int{1, 2}) {
		t.Errorf("except %v", got)
	}
	if c.serving(1) != 2 || c.serving(2) != 0 {
		t.Error("serving")
	}
}

func TestSlotsAndNumbersAreReusedAgesAreNot(t *testing.T) {
	c := table(t, 1, ready, ready, ready)
	c.remove(c.list[1])
	k, _ := c.add(1, time.Unix(2, 0))
	if k.nr != 1 || k.slot != 1 || k.age != 4 {
		t.Errorf("%+v", k)
	}
	for range 5 {
		c.add(1, time.Unix(2, 0))
	}
	if _, ok := c.add(1, time.Unix(2, 0)); ok {
		t.Error("more children than slots")
	}
}

func TestWhatADeathMeans(t *testing.T) {
	born := time.Unix(100, 0)
	for _, c := range []struct {
		name         string
		child        child
		failed, lost bool
	}{
		{"while booting", child{state: booting}, true, false},
		{"told to go while booting", child{state: booting, leaving: true}, false, false},
		{"once it was ready, however soon", child{state: ready, ready: born}, false, true},
		{"recycled by max_requests", child{state: draining, ready: born}, false, false},
		{"ended by its watchdog", child{state: draining, ready: born, aborted: born}, false, true},
		{"told to go", child{state: draining, ready: born, leaving: true}, false, false},
	} {
		if failed, lost := c.child.failed(), c.child.lost(); failed != c.failed || lost != c.lost {
			t.Errorf("%s: failed %v, lost %v", c.name, failed, lost)
		}
	}
}

func TestBackoffDoublesUpToItsBound(t *testing.T) {
	now := time.Unix(0, 0)
	b := backoff{free: 1}
	var got []time.Duration
	for range 9 {
		got = append(got, b.fail(now))
		if b.fail(now.Add(time.Millisecond)) != 0 && got[len(got)-1] > 0 {
			t.Error("a failure during the pause lengthened it")
		}
		if got[len(got)-1] > 0 && b.open(now) {
			t.Error("open during the pause")
		}
		now = now.Add(time.Minute)
	}
	// The first failure is free, and so its repetition counts as the second.
	ms := time.Millisecond
	want := []time.Duration{0, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5000 * ms, 5000 * ms, 5000 * ms}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	b.reset()
	if !b.open(now) || b.fail(now) != 0 {
		t.Error("reset forgets nothing")
	}
}
