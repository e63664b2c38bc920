package metrics

import "slices"

// Totals are the sums of any number of sheets.
type Totals struct {
	Phases   [phases]Histogram
	Answers  [methods][classes]uint64
	Counters [counters]uint64
	Routes   map[string]*Route // at most RoutesMost, and OtherRoute
	Slow     []Slow            // of the last minutes, slowest first
}

// Add adds what a slot's file says at the moment.
func (t *Totals) Add(m *Memory) {
	for i := range m.f.sheets {
		t.addSheet(&m.f.sheets[i])
	}
}

func (t *Totals) addSheet(s *sheet) {
	for p := range s.phases {
		t.Phases[p].add(&s.phases[p])
	}
	for m := range s.answers {
		for c := range s.answers[m] {
			t.Answers[m][c] += s.answers[m][c].Load()
		}
	}
	for c := range s.counters {
		t.Counters[c] += s.counters[c].Load()
	}
	for i := range s.slow {
		if slow, ok := s.slow[i].read(); ok {
			t.Slow = append(t.Slow, slow)
		}
	}
	for i := 0; i < RoutesMost && s.routes[i].length.Load() > 0; i++ {
		t.route(s.routes[i].text()).add(&s.routes[i])
	}
	if w := &s.routes[RoutesMost]; w.length.Load() > 0 {
		t.route(OtherRoute).add(w)
	}
}

// route gives the sum of that name. Workers may know different routes: together
// they are at most RoutesMost, too.
func (t *Totals) route(name string) *Route {
	if t.Routes == nil {
		t.Routes = map[string]*Route{}
	}
	if t.Routes[name] == nil && len(t.Routes) >= RoutesMost {
		name = OtherRoute
	}
	if t.Routes[name] == nil {
		t.Routes[name] = &Route{Name: name}
	}
	return t.Routes[name]
}

// Settle sorts the slowest requests and forgets those that ended before
// slowFor, now being CLOCK_MONOTONIC ns, or are too many.
func (t *Totals) Settle(now int64) {
	t.Slow = slices.DeleteFunc(t.Slow, func(s Slow) bool { return s.End < now-slowFor })
	slices.SortFunc(t.Slow, func(a, b Slow) int { return int(b.Times[Whole] - a.Times[Whole]) })
	t.Slow = t.Slow[:min(len(t.Slow), 2*slowKept)]
}

// Requests is how many were answered.
func (t *Totals) Requests() (n uint64) {
	for m := range t.Answers {
		for _, c := range t.Answers[m] {
			n += c
		}
	}
	return n
}
