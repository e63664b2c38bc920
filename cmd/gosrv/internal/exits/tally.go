package exits

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// tallySpan is how far back deaths are counted.
	tallySpan = time.Minute
	// tallyLeast is how many of them in that time are worth a line: one is an accident
	// and has a line of its own.
	tallyLeast = 3
	// tallyEvery is how often there is such a line at most.
	tallyEvery = 10 * time.Second
	// tallyNames is how many workers it names at most.
	tallyNames = 8
)

// tally counts the workers that die though they were ready. Each is replaced at
// once, so this line is all that tells of a request that kills again and again.
type tally struct {
	deaths  []loss // of the last tallySpan, oldest first
	request string // the last one that is known to have run in a worker that died
	said    time.Time
	news    bool // there were deaths since then
}

// loss is one death.
type loss struct {
	at time.Time
	nr int // of the worker
}

// add counts the death of worker nr while it ran request, "" if it ran none.
func (t *tally) add(nr int, request string, now time.Time) {
	t.forget(now)
	if len(t.deaths) == 0 {
		t.request = ""
	}
	if request != "" {
		t.request = request
	}
	t.deaths, t.news = append(t.deaths, loss{now, nr}), true
}

// forget drops deaths that are too long ago.
func (t *tally) forget(now time.Time) {
	old := 0
	for old < len(t.deaths) && now.Sub(t.deaths[old].at) > tallySpan {
		old++
	}
	t.deaths = slices.Delete(t.deaths, 0, old)
}

// line says how many there were, when that is worth it and was not said a moment ago.
func (t *tally) line(now time.Time) (string, bool) {
	if !t.news || now.Sub(t.said) < tallyEvery {
		return "", false
	}
	t.forget(now)
	if len(t.deaths) < tallyLeast {
		return "", false
	}
	t.said, t.news = now, false
	text := fmt.Sprintf("%s died %d times in the last minute", t.who(), len(t.deaths))
	if t.request != "" {
		text += ", last request " + t.request
	}
	return text, true
}

// who names the workers, by number, up to tallyNames of them.
func (t *tally) who() string {
	var numbers []int
	for _, d := range t.deaths {
		numbers = append(numbers, d.nr)
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	names := make([]string, len(numbers))
	for i, n := range numbers {
		names[i] = strconv.Itoa(n)
	}
	switch {
	case len(numbers) == 1:
		return "Worker " + names[0]
	case len(numbers) > tallyNames:
		return fmt.Sprintf("%d workers", len(numbers))
	}
	return "Workers " + strings.Join(names, ", ")
}
