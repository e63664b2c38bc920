package measure

import (
	"bytes"
	"time"

	"gosrv/wsgi/http1"
	"gosrv/wsgi/ipc/metrics"
)

const (
	// earliest is the first second that a proxy's clock may show: 2001. What is less is of another unit.
	earliest = 1_000_000_000
	// longest is how long a request may have been with a proxy; what is longer is no such time.
	longest = int64(time.Hour)
)

// FromProxy counts the time that a request was with a proxy, which has written into X-Request-Start when it came, to the queue
// and to the whole. Only that of a proxy that is trusted is for this. first is when the first byte was here, CLOCK_MONOTONIC
// ns; now is that clock's time. What makes no sense, or is in the future, is counted as such and changes nothing.
func (m *Meter) FromProxy(t *metrics.Times, head []byte, r *http1.Request, first, now int64) {
	value := requestStart(head, r)
	if value == nil {
		return
	}
	start, ok := parseStart(value)
	before := time.Now().UnixNano() - (now - first) - start
	if !ok || before < 0 || before > longest {
		m.Count(metrics.StartIgnored)
		return
	}
	t[metrics.Queue] += before
	t[metrics.Whole] += before
}

// requestStart is the header's value; nil: there is none.
func requestStart(head []byte, r *http1.Request) []byte {
	for i := range r.Headers {
		h := &r.Headers[i]
		if int(h.Name.Len) == len("x-request-start") && http1.EqualFold(h.Name.Of(head), "x-request-start") {
			return h.Value.Of(head)
		}
	}
	return nil
}

// parseStart reads Unix time in ns out of what proxies write: t= or nothing, then seconds with a fraction (nginx), milliseconds
// (Heroku) or microseconds (Apache), told apart by their size.
func parseStart(value []byte) (ns int64, ok bool) {
	value, _ = bytes.CutPrefix(bytes.TrimSpace(value), []byte("t="))
	whole, fraction, _ := bytes.Cut(value, []byte("."))
	n, ok := digits(whole, 16)
	if !ok {
		return 0, false
	}
	unit := int64(time.Second)
	for n >= 1000*earliest*(int64(time.Second)/unit) && unit > int64(time.Microsecond) {
		unit /= 1000
	}
	if n < earliest*(int64(time.Second)/unit) || n > (1<<63-1)/unit-1 {
		return 0, false
	}
	part, ok := digits(fraction[:min(len(fraction), 9)], 9)
	if len(fraction) > 0 && !ok {
		return 0, false
	}
	for range 9 - min(len(fraction), 9) {
		part *= 10
	}
	return n*unit + part*unit/int64(time.Second), true
}

// digits reads a number of at most so many.
func digits(text []byte, most int) (n int64, ok bool) {
	if len(text) == 0 || len(text) > most {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
