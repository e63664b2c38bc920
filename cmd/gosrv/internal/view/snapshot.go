// Package view reads how a server is: its master's status, what its workers do
// now, and what they have counted and measured. It reads memory that the master
// shares (/proc/PID/fd), so it asks nobody and waits for nobody, and whoever may
// not signal the master may not read it either.
package view

// Schema is the version of Snapshot as JSON. It changes when a name goes or means
// something else; new names may come at any time.
const Schema = 1

// Snapshot is how a server is at one moment; /status.json and `gosrv status --json`
// show it. Durations are in seconds.
type Snapshot struct {
	Schema     int     `json:"schema"`
	Time       float64 `json:"time"` // Unix time
	Version    string  `json:"version"`
	PID        int     `json:"pid"`
	App        string  `json:"app"`
	Phase      string  `json:"phase"` // starting, serving, stopping
	Ready      bool    `json:"ready"` // a worker of the wanted generation takes requests
	Generation int     `json:"generation"`
	Uptime     float64 `json:"uptime_seconds"`

	Capacity Capacity           `json:"capacity"`
	Requests Requests           `json:"requests"`
	Phases   map[string]Timing  `json:"phases"` // by name: body, queue, gil, application, first_byte, send, whole
	Clients  Clients            `json:"clients"`
	Routes   []Route            `json:"routes"`  // most time in the application first
	Slowest  []Slow             `json:"slowest"` // of the last minutes
	Workers  []Worker           `json:"workers"`
	Endings  map[string]int     `json:"endings"` // of workers, by cause
	Reloads  Reloads            `json:"reloads"`
	TLS      []Certificate      `json:"certificates"`     // that clients are shown; empty: plain HTTP is spoken
	Recent   map[string]float64 `json:"recent,omitempty"` // rates and quantiles of the last seconds, where somebody keeps them
}

// Capacity is how much of the server is in use.
type Capacity struct {
	Wanted  int      `json:"workers_wanted"`
	Ready   int      `json:"workers_ready"`
	Threads int      `json:"threads"` // of all workers that are ready; with greenlets, places: worker_connections of each
	Busy    int      `json:"threads_busy"`
	Backlog *int     `json:"backlog"` // connections that wait to be accepted; null: not looked at
	Used    *float64 `json:"used"`    // share of the threads' time in the last seconds, 0 to 1; null: nobody keeps it
}

// Requests are those that are over, since the master's start.
type Requests struct {
	Total    uint64            `json:"total"`
	ByClass  map[string]uint64 `json:"by_class"`      // of the status: 2xx ...
	ByMethod map[string]uint64 `json:"by_method"`     // GET ... other
	Refused  map[string]uint64 `json:"refused"`       // before the application saw them: head, body, load
	Timeouts map[string]uint64 `json:"timeouts"`      // header, body, write, request
	Health   uint64            `json:"health_checks"` // answered at health_path, and not counted elsewhere
	Lost     uint64            `json:"log_lines_lost"`
	Ignored  uint64            `json:"request_start_ignored"` // X-Request-Start of a trusted proxy that makes no sense
}

// Clients are the connections.
type Clients struct {
	Open     int            `json:"open"`
	ByState  map[string]int `json:"by_state"` // the open ones, a second ago at most: idle, reading, serving, sending, closing, handshake
	Accepted uint64         `json:"accepted"`
	Gone     uint64         `json:"gone"` // that have left before their answer was complete
	Received uint64         `json:"received_bytes"`
	Sent     uint64         `json:"sent_bytes"`
}

// Timing is a distribution of durations.
type Timing struct {
	Count uint64  `json:"count"`
	Sum   float64 `json:"sum_seconds"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
}

// Route is what environ["gosrv.route"] has named.
type Route struct {
	Route       string  `json:"route"`
	Requests    uint64  `json:"requests"`
	Failed      uint64  `json:"failed"` // answers of class 5xx
	Application float64 `json:"application_seconds"`
	Queue       float64 `json:"queue_seconds"`
	GIL         float64 `json:"gil_seconds"`
	Slowest     float64 `json:"slowest_seconds"` // in the application
}

// Slow is one of the slowest requests.
type Slow struct {
	Method string             `json:"method"`
	Path   *string            `json:"path"`            // without its query; null: not shown to whoever asks
	Route  string             `json:"route,omitempty"` // environ["gosrv.route"]
	Status int                `json:"status"`
	Trace  string             `json:"trace_id,omitempty"`
	Ago    float64            `json:"ago_seconds"` // since its end
	Times  map[string]float64 `json:"times"`       // by phase; whole is the sum
}

// Worker is one worker process.
type Worker struct {
	Slot        int      `json:"slot"`
	PID         int      `json:"pid"`
	Generation  int      `json:"generation"`
	State       string   `json:"state"` // booting, idle, busy, draining
	Requests    uint64   `json:"requests"`
	Connections int      `json:"connections"`
	Running     int      `json:"running"` // requests inside the application
	Age         float64  `json:"age_seconds"`
	RSS         uint64   `json:"rss_bytes"`
	PSS         uint64   `json:"pss_bytes"`    // 0: not looked at
	Shared      uint64   `json:"shared_bytes"` // of RSS, what other processes have too: preloaded, and files
	CPU         float64  `json:"cpu_seconds"`
	Request     *Running `json:"request"` // the oldest that runs; null: none
}

// Running is a request inside the application.
type Running struct {
	Method string  `json:"method"`
	Path   *string `json:"path"`   // null: not shown to whoever asks
	Client *string `json:"client"` // its address and port, "" for a unix socket; null: likewise
	Age    float64 `json:"seconds"`
}

// Reloads are the HUPs that were obeyed.
type Reloads struct {
	Done   int      `json:"done"`
	Failed int      `json:"failed"`
	Last   []Reload `json:"last"` // the last one first
}

// Certificate is one of them.
type Certificate struct {
	Names string  `json:"names"`          // with commas between
	File  string  `json:"file,omitempty"` // "": not shown to whoever asks
	Key   string  `json:"key"`            // kind and size
	Left  float64 `json:"left_seconds"`   // below zero: it has expired
}

// Reload is one of them.
type Reload struct {
	Ago        float64 `json:"ago_seconds"`
	Generation int     `json:"generation"`
	Error      string  `json:"error"` // "" for success
}

// Redact takes paths and addresses out: they are for those only who may see them.
func (s *Snapshot) Redact() {
	for i := range s.Slowest {
		s.Slowest[i].Path = nil
	}
	for i := range s.Workers {
		if r := s.Workers[i].Request; r != nil {
			shown := *r
			shown.Path, shown.Client = nil, nil
			s.Workers[i].Request = &shown
		}
	}
	for i := range s.TLS {
		s.TLS[i].File = ""
	}
	for i := range s.Reloads.Last {
		if s.Reloads.Last[i].Error != "" {
			s.Reloads.Last[i].Error = "it failed; the log says why"
		}
	}
}
