package response

import (
	"time"

	"gosrv/wsgi/http1"
)

// Date is the Date header's value, made once a second (RFC 9110 6.6.1). One
// thread at a time may use it.
type Date struct {
	text []byte
	next int64 // CLOCK_MONOTONIC ns at which the text is stale
}

// At is the date for the moment now, CLOCK_MONOTONIC ns; valid until the next call.
func (d *Date) At(now int64) []byte {
	if now >= d.next {
		t := time.Now()
		d.text = http1.AppendDate(d.text[:0], t)
		d.next = now + int64(time.Second) - int64(t.Nanosecond())
	}
	return d.text
}
