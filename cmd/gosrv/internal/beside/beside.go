// Package beside keeps the processes of the other program that a master wants: what shows how
// the server is, and what gets it certificates.
package beside

import (
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/acme"
	"gosrv/cmd/gosrv/internal/exits"
	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/monitor"
	"gosrv/cmd/gosrv/internal/plan"
)

// Server is what is asked of the master. Its functions are called in its loop.
type Server struct {
	PID  int
	Plan func() *plan.Plan // that is in force; nil: none yet
	// Serves and Alone are monitor.Server's.
	Serves, Alone func() bool
	Now           func() time.Time
	Log           monitor.Log

	Monitor func(monitor.Order, int) (*monitor.Process, error)
	Issuer  func(order acme.Order, socket, file int, say func(acme.News)) (*monitor.Process, error)
	Asked   func() (int, error) // the file of challenges (generation.Shared)
	Later   func(func())        // has it run in the loop, and waits until it does
}

// Processes are both. Only the master's loop uses them.
type Processes struct {
	Server
	Monitor monitor.Keeper[monitor.Order]
	Issuer  monitor.Keeper[acme.Order]
}

// New makes the keepers. metrics and plain are the sockets of metrics_bind and acme_http_bind
// that the master before has handed on, 0 for none.
func New(s Server, metrics, plain int) *Processes {
	p := &Processes{Server: s}
	options := func() listen.Options { return s.Plan().SocketOptions() }
	p.Monitor = monitor.Keeper[monitor.Order]{Inherited: metrics, Server: monitor.Server[monitor.Order]{
		Words:  monitor.Words{Listens: "Metrics at: %s", Missing: "No metrics are shown: %v", Ended: "The monitor (pid:%d) %s; it is started again"},
		Wanted: p.monitor, Options: options, Serves: s.Serves, Alone: s.Alone, Now: s.Now, Log: s.Log, Start: s.Monitor,
	}}
	p.Issuer = monitor.Keeper[acme.Order]{Inherited: plain, Server: monitor.Server[acme.Order]{
		Words: monitor.Words{
			Listens: "Plain HTTP for ACME, and on to https, at: %s", Missing: "No certificates are ordered: %v",
			Ended: "The process that gets certificates (pid:%d) %s; it is started again",
		},
		Wanted: p.order, Options: options, Serves: s.Serves, Alone: s.Alone, Now: s.Now, Log: s.Log, Start: p.startIssuer,
	}}
	return p
}

func (p *Processes) monitor() (listen.Addr, monitor.Order, bool) {
	now := p.Plan()
	if now == nil || now.Own.MetricsBind == "" || now.CheckOnly() {
		return listen.Addr{}, monitor.Order{}, false
	}
	at, err := listen.ParseAddr(now.Own.MetricsBind)
	return at, monitor.Order{Master: p.PID, Token: now.Own.MetricsToken}, err == nil // it was checked with the settings
}

func (p *Processes) order() (at listen.Addr, order acme.Order, wanted bool) {
	now := p.Plan()
	if now == nil || now.CheckOnly() {
		return at, order, false
	}
	if order, wanted = now.ACME(); wanted && order.HTTP {
		at, _ = listen.ParseAddr(now.Own.HTTPBind) // it was checked with the settings
	}
	return at, order, wanted
}

// startIssuer starts what gets certificates. What it says goes into the log.
func (p *Processes) startIssuer(order acme.Order, socket int) (*monitor.Process, error) {
	file, err := p.Asked()
	if err != nil {
		return nil, err
	}
	return p.Server.Issuer(order, socket, file, func(n acme.News) { p.Later(func() { p.say(n) }) })
}

func (p *Processes) say(n acme.News) {
	switch n.Level {
	case "error":
		p.Log.Errorf("ACME: %s", n.Text)
	case "warning":
		p.Log.Warningf("ACME: %s", n.Text)
	default:
		p.Log.Infof("ACME: %s", n.Text)
	}
}

// Open binds what a start needs. An address that is not to be had is an error of the start.
func (p *Processes) Open() error {
	err := p.Monitor.Open()
	if err == nil {
		err = p.Issuer.Open()
	}
	if err != nil {
		p.End() // the start has failed: nothing is tried again
	}
	return err
}

// Announce logs where they listen.
func (p *Processes) Announce() {
	p.Monitor.Announce()
	p.Issuer.Announce()
}

// Tend brings both to what is wanted. Call it often.
func (p *Processes) Tend() {
	p.Monitor.Tend()
	p.Issuer.Tend()
}

// Died handles the end of a process; false: it was none of these.
func (p *Processes) Died(pid int, status unix.WaitStatus) bool {
	return p.Monitor.Died(pid, status, exits.Describe) || p.Issuer.Died(pid, status, exits.Describe)
}

// End is for the end of the master.
func (p *Processes) End() {
	p.Monitor.End()
	p.Issuer.End()
}
