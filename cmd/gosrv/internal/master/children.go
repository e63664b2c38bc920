package master

import (
	"fmt"
	"slices"
	"time"

	"gosrv/cmd/gosrv/internal/listen"
)

// state is how far a worker is. See the state table in DESIGN.md.
type state int

const (
	spawning state = iota // ordered from the zygote; no process known yet
	booting               // forked; the application is being imported
	ready                 // serves
	draining              // finishes what it has, of its own accord
)

// child is one worker, from the order to spawn it until it is reaped.
type child struct {
	nr, age, slot int
	generation    int
	pid           int // 0 while spawning
	state         state
	leaving       bool // we told it to go
	spent         bool // it goes when its successor is ready
	spawned       time.Time
	ready         time.Time // zero until it was
	deadline      time.Time // SIGKILL then; zero: none
	aborted       time.Time // SIGABRT was sent then, for a timeout
	shown         bool      // the log says that its boot takes too long
	toldLate      bool      // it has logged, and answered, the requests that it dies over
	killed        bool      // SIGKILL was sent by us
	single        bool      // one thread serves
	quiet         bool      // it has said that it takes no connections any more

	sockets listen.Set // it was given; the loop's, too
	covers  listen.Set // it serves beside those
	trades  bool       // it has the exchange

	ch      channel        // the loop's; the table does not touch it
	failure *workerFailure // what it said about not booting
}

// String names the child in log lines: worker=0 gen=1 pid=42.
func (c *child) String() string {
	return fmt.Sprintf("worker=%d gen=%d pid=%d", c.nr, c.generation, c.pid)
}

// counts tells whether the child is, or will be, capacity.
func (c *child) counts() bool { return !c.leaving && !c.spent && c.state != draining }

// failed tells whether its death now would mean that it could not become ready:
// its successor may not either. One that was ready has only met a bad request.
func (c *child) failed() bool { return !c.leaving && c.ready.IsZero() }

// lost tells whether its death now would take capacity away that nobody has given up.
func (c *child) lost() bool {
	return !c.leaving && !c.ready.IsZero() && (c.state == ready || !c.aborted.IsZero())
}

// children is the table of workers: data and rules, no system calls.
type children struct {
	slots int // scoreboard slots there are
	ages  int // workers ever registered
	list  []*child
}

// add registers a worker about to be spawned. False: no slot is free, which
// ends when leaving workers have gone.
func (t *children) add(generation int, now time.Time) (*child, bool) {
	slot := t.free(t.slots, func(c *child) int { return c.slot })
	if slot < 0 {
		return nil, false
	}
	t.ages++
	c := &child{
		age: t.ages, slot: slot, generation: generation, spawned: now,
		nr: t.free(len(t.list)+1, func(c *child) int {
			if c.generation != generation || !c.counts() {
				return -1 // a successor takes the place of one that leaves
			}
			return c.nr
		}),
	}
	t.list = append(t.list, c)
	return c, true
}

// free gives the lowest number below limit that no child has, -1 if none.
func (t *children) free(limit int, number func(*child) int) int {
	used := make([]bool, limit)
	for _, c := range t.list {
		if n := number(c); n >= 0 && n < limit {
			used[n] = true
		}
	}
	return slices.Index(used, false)
}

// remove forgets a worker that is gone.
func (t *children) remove(c *child) {
	t.list = slices.DeleteFunc(t.list, func(o *child) bool { return o == c })
}

// byPID gives the worker with that process, nil if it is not ours.
func (t *children) byPID(pid int) *child {
	for _, c := range t.list {
		if c.pid == pid {
			return c
		}
	}
	return nil
}

// byAge gives the worker with that age, nil if it is gone.
func (t *children) byAge(age int) *child {
	for _, c := range t.list {
		if c.age == age {
			return c
		}
	}
	return nil
}

// plan says what brings one generation to so many workers: how many to spawn,
// or which to retire: the oldest or, where each has its place (lanes), the last
// ones.
func (t *children) plan(generation, workers int, places bool) (spawn int, retire []*child) {
	var have []*child // in order of age, as the list is
	for _, c := range t.list {
		if c.generation == generation && c.counts() {
			have = append(have, c)
		}
	}
	if len(have) <= workers {
		return workers - len(have), nil
	}
	if places {
		slices.SortStableFunc(have, func(a, b *child) int { return b.nr - a.nr })
	}
	return 0, have[:len(have)-workers]
}

// relieved gives the spent workers of a generation that are not needed any
// more: with those that are ready there are enough.
func (t *children) relieved(generation, workers int) []*child {
	var spent []*child
	for _, c := range t.list {
		if c.generation == generation && c.spent && c.state == ready && !c.leaving {
			spent = append(spent, c)
		}
	}
	return spent[:min(max(0, t.serving(generation)+len(spent)-workers), len(spent))]
}

// serving counts the workers of a generation that are ready.
func (t *children) serving(generation int) int {
	n := 0
	for _, c := range t.list {
		if c.generation == generation && c.counts() && c.state == ready {
			n++
		}
	}
	return n
}

// except gives all workers of other generations that were not told to go.
func (t *children) except(generation int) []*child {
	var others []*child
	for _, c := range t.list {
		if c.generation != generation && !c.leaving {
			others = append(others, c)
		}
	}
	return others
}

// of gives all workers of one generation.
func (t *children) of(generation int) []*child {
	var list []*child
	for _, c := range t.list {
		if c.generation == generation {
			list = append(list, c)
		}
	}
	return list
}

// recovered tells whether a worker of the generation was made after since and has
// become ready: what kept others from that is over.
func (t *children) recovered(generation int, since time.Time) bool {
	return slices.ContainsFunc(t.list, func(c *child) bool {
		return c.generation == generation && c.state == ready && c.spawned.After(since)
	})
}

// leaving tells whether a worker of the generation is on its way out.
func (t *children) leaving(generation int) bool {
	return slices.ContainsFunc(t.list, func(c *child) bool { return c.generation == generation && (c.leaving || c.state == draining) })
}

// spawning tells whether a process may exist whose pid is not known yet.
func (t *children) spawning() bool {
	return slices.ContainsFunc(t.list, func(c *child) bool { return c.state == spawning })
}

// overdue gives the workers whose deadline has passed and that were not killed.
func (t *children) overdue(now time.Time) []*child {
	var late []*child
	for _, c := range t.list {
		if !c.deadline.IsZero() && !now.Before(c.deadline) && !c.killed {
			late = append(late, c)
		}
	}
	return late
}
