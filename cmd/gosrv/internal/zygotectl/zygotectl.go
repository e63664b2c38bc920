// Package zygotectl holds the messages between the master and a zygote, and the means
// to wait for many channels at once. The transport is workerctl.Conn.
//
//	master                                zygote (C + CPython, no Go)
//	  exec, channel is fd 3  -------->
//	  LoadConfig + seed's channel --->    leaves a seed behind, evaluates the config file
//	                         <--------    ConfigLoaded | Failed | Stale (a seed only)
//	  Configure + errorlog   -------->    logs, environment, import if preloaded
//	                         <--------    Configured | Failed
//	  ImportStdlib           -------->    imports what workers would import each by itself
//	                         <--------    StdlibImported
//	  SpawnWorker + channel  -------->    pre_fork, double fork; the worker answers
//	                                      on its own channel (workerctl)
//	                         <--------    SpawnFailed, only if the fork failed
//	  RunHook + sockets      -------->
//	                         <--------    Resize, at any time: server.num_workers was set
//	                         <--------    HookDone
//	  ReopenLogs + errorlog  -------->
//	  LogLine                -------->    logged by the user's logger class or configuration
//	  Exit, or EOF           -------->    exits 0
//
// Orders are answered in order: one zygote does one thing at a time.
package zygotectl

import (
	"encoding/json"

	"gosrv/cmd/gosrv/internal/certs"
)

// LoadConfig orders the config file to be evaluated.
type LoadConfig struct {
	Path     *string  `json:"path"`     // nil: ./gunicorn.conf.py if it is there
	Explicit bool     `json:"explicit"` // named by the user: must exist; without a path: there is no file to run
	Argv     []string `json:"argv"`     // what sys.argv shows
	Dir      string   `json:"dir"`      // where zygotes are started: the folder by the name it has in $PWD
	Started  int64    `json:"started"`  // when this one was, Unix ns

	Program  string         `json:"program,omitempty"`  // run this in place of a config file, "" for none
	Defaults map[string]any `json:"defaults,omitempty"` // of all settings, for the program
}

// SeedReady is what a seed says when it is there: a copy that the zygote has made of
// itself before it obeyed LoadConfig, at the end of the channel beside that order.
type SeedReady struct {
	PID int `json:"pid"`
}

// Stale is a seed's answer to LoadConfig: a new interpreter would differ from it.
type Stale struct{}

// ConfigLoaded is the answer. Settings holds the file's plain values under
// lower-case names; callables are only named, with the number of arguments
// they take.
type ConfigLoaded struct {
	Path      *string                    `json:"path"` // of the file read; nil: none
	Settings  map[string]json.RawMessage `json:"settings"`
	Callables map[string]int             `json:"callables"`
}

// Failed is the answer to an order that cannot be carried out. The zygote is of
// no more use after it.
type Failed struct {
	Stage     string `json:"stage"`
	Exit      int    `json:"exit"`      // Gunicorn's exit code for it
	Message   string `json:"message"`   // one line
	Traceback string `json:"traceback"` // Python's text, may be empty
}

// Configure gives the resolved settings; with it goes the error log's
// descriptor. The application is imported now if preload_app says so.
type Configure struct {
	Settings   map[string]any    `json:"settings"`
	App        string            `json:"app"` // module:callable
	Argv       []string          `json:"argv"`
	Env        map[string]string `json:"env"`      // raw_env
	Software   string            `json:"software"` // environ's SERVER_SOFTWARE
	MasterPID  int               `json:"master_pid"`
	Generation int               `json:"generation"`
	Parent     int               `json:"parent"`  // the master that this one is to replace, 0: none
	Systemd    bool              `json:"systemd"` // its sockets are systemd's

	ShareStdlib bool `json:"share_stdlib"` // ImportStdlib may follow

	About any `json:"about"` // the settings as hooks and logger classes see them, null: there are none
}

// Configured is the answer; from here on the zygote can fork.
type Configured struct {
	Preloaded bool     `json:"preloaded"`
	Warnings  []string `json:"warnings"`
	Relay     bool     `json:"relay"` // the settings give Python's loggers the master's lines, too
	Level     int      `json:"level"` // the least level of gunicorn.error, as Python counts

	TLS *certs.Context `json:"tls_context"` // what the hook ssl_context has made; nil: it is not set
}

// ImportStdlib orders modules of the standard library to be imported, for the workers
// that are forked after it.
type ImportStdlib struct {
	Modules []string `json:"modules"`
}

// StdlibImported is the answer.
type StdlibImported struct {
	Modules  int    `json:"modules"`  // how many it has imported
	Obstacle string `json:"obstacle"` // why it imports none for this application, or ""
}

// ZygoteForked is the first word of a zygote that a worker has forked.
type ZygoteForked struct {
	PID int `json:"pid"`
}

// LogLine is a line of the master's error log for Python's loggers.
type LogLine struct {
	Level int    `json:"level"` // as Python counts
	Text  string `json:"text"`
	PID   int    `json:"pid"`
}

// SpawnWorker orders one worker; with it go the worker's end of its channel and,
// if hooks may look at them, duplicates of its listening sockets.
type SpawnWorker struct {
	Nr         int `json:"nr"`
	Age        int `json:"age"`
	Generation int `json:"generation"`
}

// SpawnFailed says that the fork itself failed.
type SpawnFailed struct {
	Nr      int    `json:"nr"`
	Age     int    `json:"age"`
	Message string `json:"message"`
}

// ReopenLogs carries the error log's new descriptor.
type ReopenLogs struct{}

// RunHook orders a server hook of the config file; with it go duplicates of the
// listening sockets, if hooks may look at them. Args are what follows
// `server` in Gunicorn's signature.
type RunHook struct {
	Name    string `json:"name"`
	Args    []any  `json:"args"`
	Workers int    `json:"num_workers"` // what server.num_workers is now
}

// HookDone is the answer. Error is the traceback of a hook that raised. Keeps
// says that the hook left a thread, a descriptor or a child behind, which end
// with the zygote.
type HookDone struct {
	Name  string `json:"name"`
	Error string `json:"error"`
	Keeps bool   `json:"keeps"`
}

// WorkerStarted tells who a worker is, for server.WORKERS.
type WorkerStarted struct {
	Nr  int `json:"nr"`
	Age int `json:"age"`
	PID int `json:"pid"`
}

// WorkerEnded says that a worker was reaped. With Hook set child_exit is run,
// with duplicates of the listening sockets; there is no answer.
type WorkerEnded struct {
	Nr   int  `json:"nr"`
	Age  int  `json:"age"`
	PID  int  `json:"pid"`
	Hook bool `json:"hook"`
}

// Type implements workerctl.Message.
func (LogLine) Type() string { return "LogLine" }

// Resize says that a hook has set server.num_workers.
type Resize struct {
	Workers int `json:"workers"`
}

// Exit orders an orderly end.
type Exit struct{}

// Type implements workerctl.Message.
func (SeedReady) Type() string { return "SeedReady" }

// Type implements workerctl.Message.
func (Stale) Type() string { return "Stale" }

// Type implements workerctl.Message.
func (LoadConfig) Type() string { return "LoadConfig" }

// Type implements workerctl.Message.
func (ConfigLoaded) Type() string { return "ConfigLoaded" }

// Type implements workerctl.Message.
func (Failed) Type() string { return "Failed" }

// Type implements workerctl.Message.
func (Configure) Type() string { return "Configure" }

// Type implements workerctl.Message.
func (ImportStdlib) Type() string { return "ImportStdlib" }

// Type implements workerctl.Message.
func (StdlibImported) Type() string { return "StdlibImported" }

// Type implements workerctl.Message.
func (Configured) Type() string { return "Configured" }

// Type implements workerctl.Message.
func (SpawnWorker) Type() string { return "SpawnWorker" }

// Type implements workerctl.Message.
func (SpawnFailed) Type() string { return "SpawnFailed" }

// Type implements workerctl.Message.
func (ReopenLogs) Type() string { return "ReopenLogs" }

// Type implements workerctl.Message.
func (RunHook) Type() string { return "RunHook" }

// Type implements workerctl.Message.
func (HookDone) Type() string { return "HookDone" }

// Type implements workerctl.Message.
func (WorkerStarted) Type() string { return "WorkerStarted" }

// Type implements workerctl.Message.
func (WorkerEnded) Type() string { return "WorkerEnded" }

// Type implements workerctl.Message.
func (ZygoteForked) Type() string { return "ZygoteForked" }

// Type implements workerctl.Message.
func (Resize) Type() string { return "Resize" }

// Type implements workerctl.Message.
func (Exit) Type() string { return "Exit" }
