package workers

import (
	"slices"
	"time"
)

// Table has the workers in order of age, those that leave included.
type Table struct {
	Slots int // scoreboard slots there are
	Ages  int // workers ever registered
	List  []*Worker
}

// Add registers a worker about to be spawned. False: no slot is free, which
// ends when leaving workers have gone.
func (t *Table) Add(generation int, now time.Time) (*Worker, bool) {
	slot := t.free(t.Slots, func(c *Worker) int { return c.Slot })
	if slot < 0 {
		return nil, false
	}
	t.Ages++
	c := &Worker{
		Age: t.Ages, Slot: slot, Generation: generation, Spawned: now,
		Nr: t.free(len(t.List)+1, func(c *Worker) int {
			if c.Generation != generation || !c.Counts() {
				return -1 // a successor takes the place of one that leaves
			}
			return c.Nr
		}),
	}
	t.List = append(t.List, c)
	return c, true
}

// free gives the lowest number below limit that no worker has, -1 if none.
func (t *Table) free(limit int, number func(*Worker) int) int {
	used := make([]bool, limit)
	for _, c := range t.List {
		if n := number(c); n >= 0 && n < limit {
			used[n] = true
		}
	}
	return slices.Index(used, false)
}

// Remove forgets a worker that is gone.
func (t *Table) Remove(c *Worker) {
	t.List = slices.DeleteFunc(t.List, func(o *Worker) bool { return o == c })
}

// ByPID gives the worker with that process, nil if it is not ours.
func (t *Table) ByPID(pid int) *Worker {
	for _, c := range t.List {
		if c.PID == pid {
			return c
		}
	}
	return nil
}

// ByAge gives the worker with that age, nil if it is gone.
func (t *Table) ByAge(age int) *Worker {
	for _, c := range t.List {
		if c.Age == age {
			return c
		}
	}
	return nil
}

// Plan says what brings one generation to so many workers: how many to spawn,
// or which to retire: the oldest or, where each has its place (reuse_port), the last
// ones.
func (t *Table) Plan(generation, workers int, places bool) (spawn int, retire []*Worker) {
	var have []*Worker // in order of age, as the list is
	for _, c := range t.List {
		if c.Generation == generation && c.Counts() {
			have = append(have, c)
		}
	}
	if len(have) <= workers {
		return workers - len(have), nil
	}
	if places {
		slices.SortStableFunc(have, func(a, b *Worker) int { return b.Nr - a.Nr })
	}
	return 0, have[:len(have)-workers]
}

// Relieved gives the workers to be replaced of a generation that are not needed any
// more: with those that are ready there are enough.
func (t *Table) Relieved(generation, workers int) []*Worker {
	var due []*Worker
	for _, c := range t.List {
		if c.Generation == generation && c.Departure == Replaced && c.State == Ready {
			due = append(due, c)
		}
	}
	return due[:min(max(0, t.Serving(generation)+len(due)-workers), len(due))]
}

// LastSpawn is when a worker was ordered last, of those that have not gone.
func (t *Table) LastSpawn() (last time.Time) {
	for _, c := range t.List {
		if c.Spawned.After(last) {
			last = c.Spawned
		}
	}
	return last
}

// Serving counts the workers of a generation that are ready.
func (t *Table) Serving(generation int) int {
	n := 0
	for _, c := range t.List {
		if c.Generation == generation && c.Counts() && c.State == Ready {
			n++
		}
	}
	return n
}

// Booting counts the workers of a generation that are to be ready.
func (t *Table) Booting(generation int) int {
	n := 0
	for _, c := range t.List {
		if c.Generation == generation && c.Counts() && c.State < Ready {
			n++
		}
	}
	return n
}

// Except gives all workers of other generations that were not told to go.
func (t *Table) Except(generation int) []*Worker {
	var others []*Worker
	for _, c := range t.List {
		if c.Generation != generation && c.Departure != Leaving {
			others = append(others, c)
		}
	}
	return others
}

// Of gives all workers of one generation.
func (t *Table) Of(generation int) []*Worker {
	var list []*Worker
	for _, c := range t.List {
		if c.Generation == generation {
			list = append(list, c)
		}
	}
	return list
}

// Recovered tells whether a worker of the generation was made after since and has
// become ready: what kept others from that is over.
func (t *Table) Recovered(generation int, since time.Time) bool {
	return slices.ContainsFunc(t.List, func(c *Worker) bool {
		return c.Generation == generation && c.State == Ready && c.Spawned.After(since)
	})
}

// Leaving tells whether a worker of the generation is on its way out.
func (t *Table) Leaving(generation int) bool {
	return slices.ContainsFunc(t.List, func(c *Worker) bool {
		return c.Generation == generation && (c.Departure == Leaving || c.State >= Draining)
	})
}

// Spawning tells whether a process may exist whose pid is not known yet.
func (t *Table) Spawning() bool {
	return slices.ContainsFunc(t.List, func(c *Worker) bool { return c.State == Spawning })
}

// Overdue gives the workers whose deadline has passed and that were not killed.
func (t *Table) Overdue(now time.Time) []*Worker {
	var late []*Worker
	for _, c := range t.List {
		if !c.Deadline.IsZero() && !now.Before(c.Deadline) && c.Force != Killed {
			late = append(late, c)
		}
	}
	return late
}
