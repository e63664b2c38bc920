package metrics

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func create(t *testing.T, slot int) (*Memory, int) {
	t.Helper()
	fd, err := Create(slot)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	m, err := Open(fd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m, fd
}

func request(path, route string, status int, whole int64) *Request {
	r := &Request{Method: []byte("GET"), Path: []byte(path), Route: []byte(route), Status: status, In: 10, Out: 20, End: 1e9}
	r.Times = [phases]int64{Body: -1, Queue: 1000, GIL: 0, Application: whole / 2, FirstByte: whole / 4, Send: 5000, Whole: whole}
	return r
}

func record(w *Writer, r *Request) {
	if w.Record(r) {
		w.Keep(r)
	}
}

func TestDurationsFallIntoTheirBuckets(t *testing.T) {
	for _, ns := range []int64{-5, 0, 1, 953, 954, 1134, 1135, 999_999, 1_000_000, 5_123_456, 1e9, 1e9 + 1, 59e9, 1023e9, 1025e9, math.MaxInt64} {
		b := Bucket(ns)
		seconds := float64(max(ns, 0)) / 1e9
		const grain = 1.0 / (1 << unit) // bounds are kept to a nanosecond
		above := b == 0 || seconds > Bound(b-1)-grain
		below := seconds <= Bound(b)+grain
		if !above || !below {
			t.Errorf("%d ns is in bucket %d, which ends at %v s and begins at %v", ns, b, Bound(b), Bound(max(b-1, 0)))
		}
	}
	last := 0
	for ns := int64(1); ns < 2e12; ns += ns/50 + 1 {
		if b := Bucket(ns); b < last {
			t.Fatalf("%d ns: bucket %d after %d", ns, b, last)
		} else {
			last = b
		}
	}
	if last != Buckets-1 {
		t.Errorf("the last bucket is %d of %d", last, Buckets)
	}
}

func TestQuantilesAreKnownToAFifth(t *testing.T) {
	m, _ := create(t, 0)
	w := m.Writer(0)
	for i := int64(1); i <= 1000; i++ {
		record(w, request("/", "", 200, i*1e6))
	}
	var sum Totals
	sum.Add(m)
	for q, want := range map[float64]float64{0.5: 0.5, 0.95: 0.95, 0.99: 0.99} {
		if got := sum.Phases[Whole].Quantile(q); got < want || got > want*1.2 {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
	if got := sum.Phases[Whole].Sum; math.Abs(got-500.5) > 1e-6 {
		t.Errorf("sum %v", got)
	}
	if n := sum.Phases[Body].Count(); n != 0 {
		t.Errorf("%d bodies were measured", n)
	}
}

func TestCountsGoOnInTheNextWorkerOfTheSlot(t *testing.T) {
	first, fd := create(t, 7)
	record(first.Writer(0), request("/a", "/<x>", 200, 1e6))
	first.Writer(0).s.slow[0].seq.Add(1) // killed over it
	second, err := Open(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	w := second.Writer(0)
	record(w, request("/b", "/<x>", 503, 2e6))
	record(w, request("/c", "/<y>", 200, 3e6))
	second.Writer(1).Count(ClientsGone, 2)
	reader, err := View(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var sum Totals
	sum.Add(reader)
	sum.Settle(1e9)
	if reader.Slot() != 7 || sum.Requests() != 3 || sum.Answers[0][5] != 1 || sum.Counters[SentBytes] != 60 || sum.Counters[ClientsGone] != 2 {
		t.Errorf("slot %d: %+v", reader.Slot(), sum.Answers)
	}
	if x := sum.Routes["/<x>"]; len(sum.Routes) != 2 || x.Requests != 2 || x.Failed != 1 || x.Slowest != 0.001 {
		t.Errorf("routes: %+v", sum.Routes)
	}
	if len(sum.Slow) == 0 || sum.Slow[0].Path != "/c" || sum.Slow[0].Times[Body] != -1 {
		t.Errorf("slow: %+v", sum.Slow)
	}
}

func TestRoutesAreBounded(t *testing.T) {
	m, _ := create(t, 0)
	w := m.Writer(0)
	for range 2 {
		for i := range 500 {
			record(w, request("/", fmt.Sprintf("/%s/%d", strings.Repeat("long", 10), i), 200, 1e6))
		}
	}
	record(w, request("/", strings.Repeat("x", 5000), 200, 1e6))
	var sum Totals
	sum.Add(m)
	if len(sum.Routes) != RoutesMost+1 || sum.Routes[OtherRoute].Requests != 601 {
		t.Errorf("%d routes, %d others", len(sum.Routes), sum.Routes[OtherRoute].Requests)
	}
	again := m.Writer(0) // of the next worker
	record(again, request("/", fmt.Sprintf("/%s/%d", strings.Repeat("long", 10), 3), 200, 1e6))
	sum = Totals{}
	if sum.Add(m); sum.Routes["/"+strings.Repeat("long", 10)+"/3"].Requests != 3 {
		t.Error("the next worker does not know the route")
	}
}

func TestTheSlowestAreKept(t *testing.T) {
	m, _ := create(t, 0)
	w := m.Writer(0)
	for i := int64(1); i <= 100; i++ {
		r := request(fmt.Sprintf("/%d", i*37%100), "", 200, i*37%100*1e6)
		r.End = i * 1e9
		r.Trace = []byte("0af7651916cd43dd8448eb211c80319c")
		record(w, r)
	}
	var sum Totals
	sum.Add(m)
	sum.Settle(100e9)
	if len(sum.Slow) != slowKept || sum.Slow[0].Path != "/99" || sum.Slow[slowKept-1].Path != "/92" || sum.Slow[0].Trace == "" {
		t.Errorf("%+v", sum.Slow)
	}
	late := request("/late", "", 200, 1e6)
	late.End = 100e9 + slowFor
	record(w, late)
	sum = Totals{}
	sum.Add(m)
	sum.Settle(late.End)
	found := false
	for _, s := range sum.Slow {
		found = found || s.Path == "/late"
	}
	if !found {
		t.Errorf("what is too old keeps its place: %+v", sum.Slow)
	}
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	m, _ := create(t, 0)
	w := m.Writer(0)
	r := request("/some/path", "/<name>", 200, 1e6)
	if n := testing.AllocsPerRun(1000, func() { r.Times[Whole]++; record(w, r) }); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	fd, err := Create(0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(fd)
	m, err := Open(fd)
	if err != nil {
		b.Fatal(err)
	}
	w := m.Writer(0)
	r := request("/some/path", "", 200, 10_000)
	for b.Loop() {
		w.Record(r)
	}
}
