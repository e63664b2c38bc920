package metrics

import (
	"math"
	"math/bits"
	"sync/atomic"
)

// Durations are counted in buckets whose bounds are powers of two of a second,
// with three more between each two of them, evenly on a logarithmic scale: a
// value is known to a fifth. These are the buckets of Prometheus's native
// histograms of schema 2, so that nothing is rounded on the way there.
const (
	Schema    = 2           // Prometheus's: 2^Schema buckets for each power of two
	perOctave = 1 << Schema // 4
	lowest    = -20         // the first bucket ends at 2^lowest seconds, about a microsecond
	highest   = 10          // from 2^highest seconds on, 17 minutes, there is one bucket
	// Buckets is how many a histogram has. Bucket 0 takes what is too short,
	// the last one what is too long.
	Buckets = (highest-lowest)*perOctave + 2
)

// unit is 2^-30 s, the unit in which bounds at whole powers of two are integers.
const unit = 30

// nsToUnits is 2^30 units over 10^9 ns, as a fraction of 2^32.
const nsToUnits = 1<<62/1_000_000_000 + 1

// quarters are 2^(1/4), 2^(1/2) and 2^(3/4) as fractions of 2^63.
var quarters = [perOctave - 1]uint64{10968499650544839024, 13043817825332782213, 15511800964685064949}

// Bucket gives the bucket of a duration in ns; a negative one counts as 0.
func Bucket(ns int64) int {
	high, low := bits.Mul64(uint64(max(ns, 0)), nsToUnits)
	x := high<<32 | low>>32
	if x <= 1<<(unit+lowest) {
		return 0
	}
	x-- // bounds belong to the bucket below them
	octave := bits.Len64(x) - 1
	if octave >= unit+highest {
		return Buckets - 1
	}
	mantissa, quarter := x<<(63-octave), 0
	for quarter < len(quarters) && mantissa >= quarters[quarter] {
		quarter++
	}
	return (octave-unit-lowest)*perOctave + quarter + 1
}

// Bound is where a bucket ends, in seconds; the last one never does.
func Bound(bucket int) float64 {
	if bucket >= Buckets-1 {
		return math.Inf(1)
	}
	return math.Exp2(lowest + float64(bucket)/perOctave)
}

// NativeIndex is the number of a bucket from 1 on in a native histogram of
// Schema: it ends at 2^(index/4) seconds.
func NativeIndex(bucket int) int { return lowest*perOctave + bucket }

// word is one counter. It has one writer at a time, and any number of readers.
type word = atomic.Uint64

// histogram is one in shared memory.
type histogram struct {
	buckets [Buckets]word
	sum     word // ns
}

// observe counts a duration. One caller at a time.
func (h *histogram) observe(ns int64) {
	bump(&h.buckets[Bucket(ns)], 1)
	bump(&h.sum, uint64(max(ns, 0)))
}

// Histogram is a reading, or the sum of several.
type Histogram struct {
	Counts [Buckets]uint64
	Sum    float64 // seconds
}

func (h *Histogram) add(from *histogram) {
	for i := range from.buckets {
		h.Counts[i] += from.buckets[i].Load()
	}
	h.Sum += float64(from.sum.Load()) / 1e9
}

// Count is how many durations there were.
func (h *Histogram) Count() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Quantile is where the share q (0 to 1) of the durations ends, in seconds, to
// the bucket; 0 if there were none. Where the bucket has no end it is its beginning.
func (h *Histogram) Quantile(q float64) float64 {
	n := h.Count()
	if n == 0 {
		return 0
	}
	rank := max(uint64(math.Ceil(q*float64(n))), 1)
	for i, c := range h.Counts {
		if c >= rank {
			return Bound(min(i, Buckets-2))
		}
		rank -= c
	}
	return Bound(Buckets - 2)
}

// Since is what was counted after an earlier reading of the same histogram.
func (h *Histogram) Since(before *Histogram) Histogram {
	d := Histogram{Sum: h.Sum - before.Sum}
	for i, c := range h.Counts {
		d.Counts[i] = c - min(c, before.Counts[i])
	}
	return d
}

// BucketOf is the bucket that ends at 2^power seconds.
func BucketOf(power int) int { return (power - lowest) * perOctave }
