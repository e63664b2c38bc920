package metrics

import (
	"encoding/binary"
	"hash/maphash"
)

const (
	// RoutesMost is how many routes are told apart; what comes later is OtherRoute.
	RoutesMost = 200
	OtherRoute = "other"
	// routeText bounds a route's name in bytes; a longer one is cut.
	routeText = 96
	routeRoom = RoutesMost + 1 // the last one is OtherRoute

	// A route's durations are counted by powers of two only: from routeLowest to
	// routeHighest, and what is longer.
	routeLowest, routeHighest = -12, 6
	// RouteBuckets is how many there are.
	RouteBuckets = routeHighest - routeLowest + 2
)

// routeWords is what is counted of one route.
type routeWords struct {
	length   word // of the name; 0: no route. Written last
	name     [routeText / 8]word
	failed   word // answers of class 5xx
	times    [phases]word
	buckets  [RouteBuckets]word // of Application
	slowest  word               // ns, of Application
	requests word
}

// RouteBound is where a bucket of a route's durations ends, in seconds.
func RouteBound(bucket int) float64 { return Bound((routeLowest - lowest + bucket) * perOctave) }

// Route is a reading, or the sum of several.
type Route struct {
	Name             string
	Requests, Failed uint64
	Times            [phases]float64 // seconds, in sum
	Counts           [RouteBuckets]uint64
	Slowest          float64 // seconds
}

func (w *routeWords) record(r *Request) {
	bump(&w.requests, 1)
	if r.Status >= 500 {
		bump(&w.failed, 1)
	}
	for p, ns := range r.Times {
		bump(&w.times[p], uint64(max(ns, 0)))
	}
	took := max(r.Times[Application], 0)
	bucket := (Bucket(took) + perOctave - 1) / perOctave // of powers of two, from 2^lowest on
	bump(&w.buckets[min(max(bucket-(routeLowest-lowest), 0), RouteBuckets-1)], 1)
	if uint64(took) > w.slowest.Load() {
		w.slowest.Store(uint64(took))
	}
}

func (r *Route) add(w *routeWords) {
	r.Requests += w.requests.Load()
	r.Failed += w.failed.Load()
	for p := range r.Times {
		r.Times[p] += float64(w.times[p].Load()) / 1e9
	}
	for i := range r.Counts {
		r.Counts[i] += w.buckets[i].Load()
	}
	r.Slowest = max(r.Slowest, float64(w.slowest.Load())/1e9)
}

// routeIndex finds a route by its name, in a writer's own memory: a table with
// open addressing, at most half full.
type routeIndex struct {
	seed  maphash.Seed
	table [512]uint16 // place of the route, from 1 on; 0: free
	last  uint16      // the route that was asked for last, from 1 on
	used  int
}

// read takes up what another writer has left.
func (x *routeIndex) read(all *[routeRoom]routeWords) {
	x.seed = maphash.MakeSeed()
	for x.used < RoutesMost && all[x.used].length.Load() > 0 {
		*x.place(all, []byte(all[x.used].text())) = uint16(x.used + 1)
		x.used++
	}
}

func (w *routeWords) text() string { return take(w.name[:], int(w.length.Load())) }

// is tells whether the route has that name, without an allocation.
func (w *routeWords) is(name []byte) bool {
	if w.length.Load() != uint64(len(name)) {
		return false
	}
	for i := 0; i < len(name); i += 8 {
		var eight [8]byte
		copy(eight[:], name[i:])
		if w.name[i/8].Load() != binary.NativeEndian.Uint64(eight[:]) {
			return false
		}
	}
	return true
}

// place is where the table has, or would have, a route of that name.
func (x *routeIndex) place(all *[routeRoom]routeWords, name []byte) *uint16 {
	for at := maphash.Bytes(x.seed, name); ; at++ {
		p := &x.table[at%uint64(len(x.table))]
		if *p == 0 || all[*p-1].is(name) {
			return p
		}
	}
}

// of gives the route of that name, a new one while there is room.
func (x *routeIndex) of(all *[routeRoom]routeWords, name []byte) *routeWords {
	name = name[:min(len(name), routeText)]
	if x.last > 0 && all[x.last-1].is(name) {
		return &all[x.last-1]
	}
	p := x.place(all, name)
	if *p == 0 {
		if x.used == RoutesMost {
			return other(all)
		}
		begin(&all[x.used], name)
		x.used++
		*p = uint16(x.used)
	}
	x.last = *p
	return &all[*p-1]
}

func begin(w *routeWords, name []byte) {
	put(w.name[:], name)
	w.length.Store(uint64(len(name)))
}

// other is the route of what has no room.
func other(all *[routeRoom]routeWords) *routeWords {
	w := &all[RoutesMost]
	if w.length.Load() == 0 {
		begin(w, []byte(OtherRoute))
	}
	return w
}
