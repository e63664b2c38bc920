package lead

import (
	"fmt"
	"testing"
)

type state struct{ n int }

// interleavings calls f with every order of a steps of one thread and b of
// another one: true is a step of the first.
func interleavings(a, b int, f func(order []bool)) {
	var order []bool
	var next func(a, b int)
	next = func(a, b int) {
		if a+b == 0 {
			f(order)
			return
		}
		for _, first := range []bool{true, false} {
			if left := map[bool]int{true: a, false: b}[first]; left == 0 {
				continue
			}
			order = append(order, first)
			if first {
				next(a-1, b)
			} else {
				next(a, b-1)
			}
			order = order[:len(order)-1]
		}
	}
	next(a, b)
}

// A standby that goes to sleep while the leader goes into a call is woken, or
// sees the call: in every order of their steps.
func TestNoCallSlipsThroughWhileTheStandbyFallsAsleep(t *testing.T) {
	orders := 0
	interleavings(2, 2, func(order []bool) {
		orders++
		var l Lead[state]
		l.led.Store(1)
		l.guard.Store(watching)
		var sleeps, announced, woken bool
		release := []func(){
			func() { l.led.Store(0) },
			func() { woken = !l.watched() },
		}
		doze := []func(){
			func() { announced = l.announceDoze() },
			func() { sleeps = announced && l.mayDoze() },
		}
		for _, first := range order {
			if first {
				release[0]()
				release = release[1:]
			} else {
				doze[0]()
				doze = doze[1:]
			}
		}
		if sleeps && !woken {
			t.Errorf("%v: the standby sleeps and the call runs", order)
		}
	})
	if orders != 6 {
		t.Errorf("%d orders", orders)
	}
}

// Of the thread that comes back and the standby that takes over one leads.
func TestOneOfTwoHasTheLead(t *testing.T) {
	interleavings(1, 1, func(order []bool) {
		l := Lead[state]{state: &state{}}
		had := 0
		for range order {
			if l.Acquire() != nil {
				had++
			}
		}
		if had != 1 {
			t.Errorf("%d threads lead", had)
		}
	})
}

// The standby takes over at its second look at the same call, and at no other.
func TestStandbyTakesOverAtTheSecondLook(t *testing.T) {
	const call, back, glance = "call", "back", "look"
	for _, x := range []struct {
		steps []string
		want  look
	}{
		{[]string{glance}, quiet},
		{[]string{call, glance}, busy},
		{[]string{call, glance, glance}, stuck},
		{[]string{call, glance, back, call, glance}, busy},
		{[]string{call, glance, back, glance}, quiet},
		{[]string{call, back, call, glance, glance}, stuck},
	} {
		var l Lead[state]
		l.led.Store(1)
		w := l.watch(1)
		var found look
		for _, step := range x.steps {
			switch step {
			case call:
				l.calls.Add(1)
				l.led.Store(0)
			case back:
				l.led.Store(1)
			case glance:
				found = w.look()
			}
		}
		if found != x.want {
			t.Errorf("%s: found %d, want %d", fmt.Sprint(x.steps), found, x.want)
		}
	}
}
