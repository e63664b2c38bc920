package measure

import "gosrv/wsgi/ipc/metrics"

// gilNoise is up to where, in ns, a wait for the GIL cannot be told from what
// else a thread does between two looks at the clock.
const gilNoise = 50_000

// Arrival is when the bytes of a request could be read, CLOCK_MONOTONIC ns.
type Arrival struct {
	First int64 // 0: none has come
	Last  int64
	Head  int64 // the last of the head, if the rest of the body came later; else 0
}

// Came notes that bytes could be read at that moment.
func (a *Arrival) Came(at int64) {
	if a.First == 0 {
		a.First = at
	}
	a.Last = at
}

// HeadCame notes that the body is still to come.
func (a *Arrival) HeadCame() { a.Head = a.Last }

// Over begins with the next request, of which there are bytes, or not.
func (a *Arrival) Over(more bool) {
	a.First, a.Head = 0, 0
	if more {
		a.First = a.Last
	}
}

// Course is how an answer came about, CLOCK_MONOTONIC ns.
type Course struct {
	Held   int64 // the GIL was had; 0: it was kept from before
	Headed int64 // the head was there; 0: it never was
	Inside int64 // ns inside the application so far

	Deserted bool // the client is gone
}

// Times gives the times of a request that the server took up at started, whose
// application returned last at returned and whose last byte left at end. apart: the
// client took the answer in parts, for which the application did not wait.
func Times(a *Arrival, c *Course, started, returned, end int64, apart bool) (t metrics.Times) {
	t = metrics.Times{metrics.Body: -1, metrics.GIL: -1, metrics.FirstByte: -1, metrics.Send: -1}
	if a.Head > 0 {
		t[metrics.Body] = a.Last - a.Head
	}
	t[metrics.Queue] = max(started-a.Last, 0)
	t[metrics.Application] = c.Inside
	if wait := c.Held - started; c.Held > 0 && wait > gilNoise {
		t[metrics.GIL] = wait
		t[metrics.Application] = max(c.Inside-wait, 0)
	}
	if c.Headed > 0 && returned > c.Headed {
		t[metrics.FirstByte] = c.Headed - started
	}
	if apart {
		t[metrics.Send] = max(end-started-c.Inside, 0)
	}
	t[metrics.Whole] = max(end-a.First, 0)
	return t
}
