package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"gosrv/cmd/gosrv/internal/view"
	"gosrv/cmd/gosrv/monitor/history"
)

// stream keeps the history going, and wakes those who show it, once a second.
type stream struct {
	history *history.History
	beat    atomic.Pointer[beat]
	readers atomic.Int32
}

// beat is one second. next is closed when the following one has begun.
type beat struct {
	next   chan struct{}
	column bool // a column was completed
}

func newStream(h *history.History) *stream {
	s := &stream{history: h}
	s.beat.Store(&beat{next: make(chan struct{})})
	return s
}

// run ticks until the context ends, or the master has.
func (s *stream) run(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		column, err := s.history.Tick()
		if err != nil {
			return // the master has ended: main sees to it
		}
		before := s.beat.Swap(&beat{next: make(chan struct{}), column: column})
		close(before.next)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// events shows a browser how the server is, once a second (server-sent events). One
// that does not read in time is dropped; it comes again by itself.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	if s.stream.readers.Add(1) > pages {
		s.stream.readers.Add(-1)
		w.Header().Set("Retry-After", "10")
		said(w, http.StatusServiceUnavailable, fmt.Sprintf("%d pages are open already", pages))
		return
	}
	defer s.stream.readers.Add(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep the events back
	out := &events{w: w, control: http.NewResponseController(w)}
	out.send("history", map[string]any{
		"column_seconds": history.Column.Seconds(), "columns": history.Columns, "lowest_row": history.LowestRow, "entries": s.history.Entries(),
	})
	for now := s.stream.beat.Load(); out.err == nil; now = s.stream.beat.Load() {
		if now.column {
			if all := s.history.Entries(); len(all) > 0 {
				out.send("column", all[len(all)-1])
			}
		}
		if _, shot := s.history.Last(); shot != nil {
			out.send("status", shownPage(s.shown(r)))
		}
		select {
		case <-now.next:
		case <-r.Context().Done():
			return
		}
	}
}

// shownPage is a snapshot with no more workers than a page shows.
func shownPage(shot *view.Snapshot) *view.Snapshot {
	const most = 200
	if len(shot.Workers) <= most {
		return shot
	}
	copied := *shot
	copied.Workers = shot.Workers[:most]
	return &copied
}

// events is one browser's.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

// send writes one event, in one second's time and some.
func (e *events) send(name string, data any) {
	if e.err != nil {
		return
	}
	text, err := json.Marshal(data)
	if err != nil {
		e.err = err
		return
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\nretry: 1000\ndata: %s\n\n", name, text)
	_ = e.control.SetWriteDeadline(time.Now().Add(headTime))
	if _, e.err = e.w.Write(b.Bytes()); e.err == nil {
		e.err = e.control.Flush()
	}
}
