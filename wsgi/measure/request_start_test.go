package measure

import (
	"fmt"
	"testing"
	"time"

	"gosrv/wsgi/http1"
	"gosrv/wsgi/ipc/metrics"
)

func TestTimesOfProxiesAreToldApart(t *testing.T) {
	for text, want := range map[string]int64{
		"t=1512379167.574": 1512379167574000000, "1512379167.574": 1512379167574000000, "t=1512379167": 1512379167000000000,
		"1512379167574": 1512379167574000000, "t=1512379167574": 1512379167574000000, " t=1512379167574 ": 1512379167574000000,
		"t=1512379167574123": 1512379167574123000, "1512379167.574123456": 1512379167574123456, "1512379167.5741234567": 1512379167574123456,
		"1512379167574.5": 1512379167574500000,
	} {
		if got, ok := parseStart([]byte(text)); got != want || !ok {
			t.Errorf("%q is %d (%v), not %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "t=", "now", "t=now", "-1512379167", "1512379167,574", "1512379167.x", "12", "t=0", "99999999999999999", "1e9", "t=1512379167 t=1"} {
		if got, ok := parseStart([]byte(text)); ok {
			t.Errorf("%q is %d", text, got)
		}
	}
}

func TestTimeWithAProxyIsQueueTime(t *testing.T) {
	fd, err := metrics.Create(0)
	if err != nil {
		t.Fatal(err)
	}
	memory, err := metrics.Open(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	var all Meters
	all.Open(memory)
	var m Meter
	m.Attach(&all, false, 0)
	second := int64(time.Second)
	for value, want := range map[string]int64{
		fmt.Sprintf("t=%.3f", float64(time.Now().Add(-time.Second).UnixMilli())/1000): second, "": 0, "nonsense": 0,
		fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()): 0, fmt.Sprint(time.Now().Add(-2 * time.Hour).UnixMilli()): 0,
	} {
		head := "GET / HTTP/1.1\r\nHost: a\r\n"
		if value != "" {
			head += "x-Request-START: " + value + "\r\n"
		}
		r := new(http1.Request)
		r.Reset()
		if err := (&http1.Policy{RequestLine: 4096, Fields: 100, FieldSize: 8190, HeadSize: 8192}).Parse([]byte(head+"\r\n"), r); err != nil {
			t.Fatal(err)
		}
		times := metrics.Times{}
		m.FromProxy(&times, []byte(head), r, 5*second, 5*second)
		if got := times[metrics.Queue]; got != times[metrics.Whole] || got < want || got > want+second/2 {
			t.Errorf("%q adds %v, not %v", value, time.Duration(got), time.Duration(want))
		}
	}
	var totals metrics.Totals
	totals.Add(memory)
	if n := totals.Counters[metrics.StartIgnored]; n != 3 {
		t.Errorf("%d counted as senseless", n)
	}
}
