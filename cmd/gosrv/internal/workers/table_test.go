package workers

import (
	"reflect"
	"testing"
	"time"
)

// table makes workers of one generation each, in the given states.
func table(t *testing.T, generation int, states ...State) *Table {
	t.Helper()
	c := &Table{Slots: 8}
	for _, s := range states {
		k, ok := c.Add(generation, time.Unix(0, 0))
		if !ok {
			t.Fatal("no slot")
		}
		k.State = s
	}
	return c
}

func ages(list []*Worker) []int {
	var a []int
	for _, c := range list {
		a = append(a, c.Age)
	}
	return a
}

func TestPlanCountsWhatIsOrWillBeCapacity(t *testing.T) {
	for _, c := range []struct {
		name    string
		states  []State
		workers int
		spawn   int
		retire  []int
	}{
		{"none yet", nil, 3, 3, nil},
		{"on the way", []State{Spawning, Booting}, 2, 0, nil},
		{"one leaves by itself", []State{Ready, Draining}, 2, 1, nil},
		{"too many: oldest first", []State{Ready, Ready, Booting}, 1, 0, []int{1, 2}},
		{"leaving ones do not count as too many", []State{Draining, Ready, Ready}, 2, 0, nil},
		{"zero", []State{Ready}, 0, 0, []int{1}},
	} {
		spawn, retire := table(t, 1, c.states...).Plan(1, c.workers, false)
		if spawn != c.spawn || !reflect.DeepEqual(ages(retire), c.retire) {
			t.Errorf("%s: spawn %d, retire %v; want %d, %v", c.name, spawn, ages(retire), c.spawn, c.retire)
		}
	}
}

func TestGenerationsAreCountedApart(t *testing.T) {
	c := table(t, 1, Ready, Ready)
	fresh, _ := c.Add(2, time.Unix(1, 0))
	if spawn, _ := c.Plan(2, 2, false); spawn != 1 {
		t.Errorf("spawn %d", spawn)
	}
	if spawn, retire := c.Plan(1, 2, false); spawn != 0 || retire != nil {
		t.Error("the old generation is not complete")
	}
	if fresh.Nr != 0 || fresh.Slot != 2 || fresh.Age != 3 {
		t.Errorf("%+v", fresh)
	}
	if got := ages(c.Except(2)); !reflect.DeepEqual(got, []int{1, 2}) {
		t.Errorf("except %v", got)
	}
	if c.Serving(1) != 2 || c.Serving(2) != 0 {
		t.Error("serving")
	}
}

func TestSlotsAndNumbersAreReusedAgesAreNot(t *testing.T) {
	c := table(t, 1, Ready, Ready, Ready)
	c.Remove(c.List[1])
	k, _ := c.Add(1, time.Unix(2, 0))
	if k.Nr != 1 || k.Slot != 1 || k.Age != 4 {
		t.Errorf("%+v", k)
	}
	for range 5 {
		c.Add(1, time.Unix(2, 0))
	}
	if _, ok := c.Add(1, time.Unix(2, 0)); ok {
		t.Error("more workers than slots")
	}
}

func TestWhatADeathMeans(t *testing.T) {
	born := time.Unix(100, 0)
	for _, c := range []struct {
		name         string
		child        Worker
		failed, lost bool
	}{
		{"while booting", Worker{State: Booting}, true, false},
		{"told to go while booting", Worker{State: Booting, Departure: Leaving}, false, false},
		{"once it was ready, however soon", Worker{State: Ready, ReadyAt: born}, false, true},
		{"recycled by max_requests", Worker{State: Draining, ReadyAt: born}, false, false},
		{"ended by its watchdog", Worker{State: Draining, ReadyAt: born, Force: Aborted}, false, true},
		{"told to go", Worker{State: Draining, ReadyAt: born, Departure: Leaving}, false, false},
	} {
		if failed, lost := c.child.FailedToBoot(), c.child.Lost(); failed != c.failed || lost != c.lost {
			t.Errorf("%s: failed %v, lost %v", c.name, failed, lost)
		}
	}
}

func TestBackoffDoublesUpToItsBound(t *testing.T) {
	now := time.Unix(0, 0)
	b := Backoff{Free: 1}
	var got []time.Duration
	for range 9 {
		got = append(got, b.Fail(now))
		if b.Fail(now.Add(time.Millisecond)) != 0 && got[len(got)-1] > 0 {
			t.Error("a failure during the pause lengthened it")
		}
		if got[len(got)-1] > 0 && b.Open(now) {
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
	b.Reset()
	if !b.Open(now) || b.Fail(now) != 0 {
		t.Error("reset forgets nothing")
	}
}
