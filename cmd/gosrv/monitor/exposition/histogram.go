package exposition

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"gosrv/wsgi/ipc/metrics"
)

// Classic buckets end at powers of two of a second: they are some of the native
// ones, so that nothing is rounded.
const (
	classicLowest  = -12 // 0.24 ms
	classicHighest = 6   // 64 s
)

// zeroThreshold is what the first bucket ends at: Prometheus calls it zero.
var zeroThreshold = metrics.Bound(0)

// histogram is one with native and classic buckets. client_golang's own constant
// metrics have the one or the other.
type histogram struct {
	desc      *prometheus.Desc
	labels    []*dto.LabelPair
	of        *metrics.Histogram
	exemplars []exemplar
}

// exemplar is a request that shows what a bucket is made of.
type exemplar struct {
	seconds float64
	trace   string
	at      time.Time
}

func (h *histogram) Desc() *prometheus.Desc { return h.desc }

// Write puts it into the form that is sent.
func (h *histogram) Write(out *dto.Metric) error {
	count := h.of.Count()
	out.Label = h.labels
	out.Histogram = &dto.Histogram{
		SampleCount: proto.Uint64(count), SampleSum: proto.Float64(h.of.Sum), Bucket: h.classic(),
		Schema: proto.Int32(metrics.Schema), ZeroThreshold: proto.Float64(zeroThreshold), ZeroCount: proto.Uint64(h.of.Counts[0]),
	}
	h.native(out.Histogram)
	return nil
}

// classic sums the buckets up.
func (h *histogram) classic() (buckets []*dto.Bucket) {
	sum, next := uint64(0), 0
	for bound := classicLowest; bound <= classicHighest; bound++ {
		end := metrics.BucketOf(bound)
		for ; next <= end; next++ {
			sum += h.of.Counts[next]
		}
		b := &dto.Bucket{UpperBound: proto.Float64(metrics.Bound(end)), CumulativeCount: proto.Uint64(sum)}
		for _, e := range h.exemplars {
			if e.seconds <= metrics.Bound(end) && e.seconds > metrics.Bound(end-1<<metrics.Schema) {
				b.Exemplar = e.form()
			}
		}
		buckets = append(buckets, b)
	}
	return buckets
}

func (e *exemplar) form() *dto.Exemplar {
	return &dto.Exemplar{
		Label: []*dto.LabelPair{{Name: proto.String("trace_id"), Value: proto.String(e.trace)}},
		Value: proto.Float64(e.seconds), Timestamp: timestamppb.New(e.at),
	}
}

// native lists the buckets that are not empty: runs of them, and each as the
// difference from the one before.
func (h *histogram) native(out *dto.Histogram) {
	last, before := 0, int64(0)
	for bucket := 1; bucket < metrics.Buckets; bucket++ {
		n := int64(h.of.Counts[bucket])
		if n == 0 {
			continue
		}
		index := metrics.NativeIndex(bucket)
		if spans := len(out.PositiveSpan); spans > 0 && index == last+1 {
			*out.PositiveSpan[spans-1].Length++
		} else {
			offset := int32(index - last - 1)
			if spans == 0 {
				offset = int32(index)
			}
			out.PositiveSpan = append(out.PositiveSpan, &dto.BucketSpan{Offset: proto.Int32(offset), Length: proto.Uint32(1)})
		}
		out.PositiveDelta = append(out.PositiveDelta, n-before)
		last, before = index, n
	}
	if len(out.PositiveSpan) == 0 { // tells an empty native histogram from a classic one
		out.PositiveSpan = []*dto.BucketSpan{{Offset: proto.Int32(0), Length: proto.Uint32(0)}}
	}
}

// label is a label's pair, for one whose desc names it.
func label(name, value string) []*dto.LabelPair {
	return []*dto.LabelPair{{Name: proto.String(name), Value: proto.String(value)}}
}
