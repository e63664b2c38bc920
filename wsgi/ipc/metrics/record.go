package metrics

// Phase is a part of a request's time.
type Phase int

// The phases, in the order in which a request goes through them.
const (
	Body        Phase = iota // head complete to body complete: the client sends
	Queue                    // complete to the application's turn: the server has others to serve
	GIL                      // the turn to the GIL: other threads of the interpreter run
	Application              // in Python, up to the application's return
	FirstByte                // of that, up to start_response
	Send                     // the application's return to the last byte taken by the kernel
	Whole                    // the first byte of the request to the last one of the answer
	phases
)

// Phases are all of them.
var Phases = [phases]Phase{Body, Queue, GIL, Application, FirstByte, Send, Whole}

var phaseNames = [phases]string{"body", "queue", "gil", "application", "first_byte", "send", "whole"}

// String is the name in metrics and in status.json.
func (p Phase) String() string { return phaseNames[p] }

// Methods of a request, as they are counted. Others are the last one.
var Methods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"}

// Classes of an answer's status; the first is for none.
var Classes = [...]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

const (
	methods = len(Methods)
	classes = len(Classes)
)

// Counter is something that is only counted.
type Counter int

// The counters.
const (
	ReceivedBytes Counter = iota // of requests, head and body
	SentBytes                    // of answers, as the kernel took them
	Connections                  // accepted
	ClientsGone                  // that have left before their answer was complete
	RefusedHead                  // requests refused for what their head says: 400, 431, 414 ...
	RefusedBody                  // or for their body: 413, 400
	RefusedLoad                  // closed since there are too many connections
	HeaderTimeout
	BodyTimeout
	WriteTimeout
	RequestTimeout // answered 504, or cut
	LinesLost      // by the access log, and on the way to syslog
	StartIgnored   // X-Request-Start of a trusted proxy that makes no sense
	HealthChecks   // answered at health_path, and counted nowhere else
	counters
)

// Times are a request's, by phase, in ns; negative: it did not come to that.
type Times = [phases]int64

// Request is one that is over. Texts are lent for the call.
type Request struct {
	Method, Path []byte
	Route        []byte // a template of paths; empty: none is known
	Trace        []byte // the trace id, 32 hexadecimal digits; empty: none
	Status       int
	In, Out      int64 // bytes
	End          int64 // CLOCK_MONOTONIC ns
	Times        Times
}

// Writer is a thread's own sheet. Record has one caller at a time.
type Writer struct {
	s     *sheet
	slow  floor
	index routeIndex
}

// Writer gives one of the sheets, numbered below Writers.
func (m *Memory) Writer(n int) *Writer {
	w := &Writer{s: &m.f.sheets[n]}
	w.index.read(&w.s.routes)
	return w
}

// Record counts a request, and tells whether it is among the slowest of the last
// minutes: Keep then.
func (w *Writer) Record(r *Request) (slow bool) {
	s := w.s
	for p := range s.phases {
		if ns := r.Times[p]; ns >= 0 {
			s.phases[p].observe(ns)
		}
	}
	bump(&s.answers[method(r.Method)][class(r.Status)], 1)
	bump(&s.counters[ReceivedBytes], uint64(r.In))
	bump(&s.counters[SentBytes], uint64(r.Out))
	if len(r.Route) > 0 {
		w.index.of(&s.routes, r.Route).record(r)
	}
	return r.Times[Whole] > w.slow.least || r.End > w.slow.until
}

// Keep shows a request among the slowest. Path and Trace need not be there before.
func (w *Writer) Keep(r *Request) { w.slow.keep(&w.s.slow, r) }

// Count adds to a counter. Any thread may.
func (w *Writer) Count(c Counter, n uint64) { w.s.counters[c].Add(n) }

// method sorts a request's method.
func method(name []byte) int {
	for i, known := range Methods[:methods-1] {
		if string(name) == known {
			return i
		}
	}
	return methods - 1
}

func class(status int) int {
	if c := status / 100; c > 0 && c < classes {
		return c
	}
	return 0
}
