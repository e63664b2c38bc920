// Package web answers at the address metrics_bind: whether the server lives and is
// ready, its numbers for Prometheus and as JSON, and a page for people.
package web

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"gosrv/cmd/gosrv/internal/view"
	"gosrv/cmd/gosrv/monitor/exposition"
	"gosrv/cmd/gosrv/monitor/history"
)

const (
	// connections is how many may be open: who looks is few, whoever comes beyond waits.
	connections = 64
	// pages is how many may be open in browsers.
	pages = 16
	// scrapes is how many are answered at a time.
	scrapes = 2
	// headTime, answerTime and idleTime are what a client has to send its request, to take
	// its answer, and between two requests.
	headTime, answerTime, idleTime = 5 * time.Second, 10 * time.Second, time.Minute
	// silence is how long the master may give no sign of life before it counts as
	// stuck: it gives one a second.
	silence = 10 * time.Second
)

// Server answers.
type Server struct {
	history *history.History
	guard   guard
	stream  *stream
	metrics http.Handler
}

// New makes one. token is what who asks must show, "" for nothing; local: the
// address is a unix socket, whose permissions say who may ask.
func New(h *history.History, token string, local bool) *Server {
	s := &Server{history: h, guard: guard{token: token, local: local}, stream: newStream(h)}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(exposition.New(func() (*view.Reading, *view.Snapshot, float64, bool) {
		if err := h.Look(); err != nil {
			return nil, nil, 0, false
		}
		r, shot := h.Last()
		if shot.Capacity.Used == nil {
			return r, shot, 0, false
		}
		return r, shot, *shot.Capacity.Used, true
	}))
	s.metrics = promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		EnableOpenMetrics: true, MaxRequestsInFlight: scrapes, ErrorHandling: promhttp.HTTPErrorOnError,
	})
	return s
}

// Serve answers until the context ends.
func (s *Server) Serve(ctx context.Context, socket net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", s.alive)
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", s.guard.wrap(s.metrics))
	mux.Handle("GET /status.json", s.guard.wrap(http.HandlerFunc(s.status)))
	mux.Handle("GET /events", s.guard.wrap(http.HandlerFunc(s.events)))
	mux.Handle("GET /{$}", s.guard.wrap(http.HandlerFunc(servePage)))
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: headTime, ReadTimeout: headTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
		MaxHeaderBytes: 16 << 10, BaseContext: func(net.Listener) context.Context { return ctx },
	}
	go s.stream.run(ctx)
	return server.Serve(netutil.LimitListener(socket, connections))
}

// said answers with a line.
func said(w http.ResponseWriter, status int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(line + "\n"))
}

// alive tells whether the master supervises.
func (s *Server) alive(w http.ResponseWriter, _ *http.Request) {
	if err := s.history.Look(); err != nil {
		said(w, http.StatusServiceUnavailable, "the master has ended")
		return
	}
	r, _ := s.history.Last()
	if beat := r.Status.Beat; beat > 0 && r.At-beat*int64(time.Second) > int64(silence) {
		said(w, http.StatusServiceUnavailable, "the master does not react")
		return
	}
	said(w, http.StatusOK, "ok")
}

// ready tells whether new requests would be served by the wanted code, and go on
// to be: not during a stop, so that who balances load leaves before the sockets do.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if err := s.history.Look(); err != nil {
		said(w, http.StatusServiceUnavailable, "the master has ended")
		return
	}
	r, _ := s.history.Last()
	switch {
	case r.Ready():
		said(w, http.StatusOK, "ok")
	case r.Status.Phase == "serving":
		said(w, http.StatusServiceUnavailable, "no worker is ready")
	default:
		said(w, http.StatusServiceUnavailable, "the server is "+r.Status.Phase)
	}
}

// shown is what whoever asks may see.
func (s *Server) shown(r *http.Request) *view.Snapshot {
	_, shot := s.history.Last()
	if s.guard.trusts(r) {
		return shot
	}
	return redacted(shot)
}

// redacted is a copy without what only some may see.
func redacted(shot *view.Snapshot) *view.Snapshot {
	copied := *shot
	copied.Slowest = append([]view.Slow{}, shot.Slowest...)
	copied.Workers = append([]view.Worker{}, shot.Workers...)
	copied.Reloads.Last = append([]view.Reload{}, shot.Reloads.Last...)
	copied.Redact()
	return &copied
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	if err := s.history.Look(); err != nil {
		said(w, http.StatusServiceUnavailable, "the master has ended")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(s.shown(r)) // a client that has gone needs no answer
}
