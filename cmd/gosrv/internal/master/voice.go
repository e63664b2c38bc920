package master

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/zygote"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
	"gosrv/wsgi/logs/statsd"
	"gosrv/wsgi/logs/syslog"
)

// farewell is how long the last lines and metrics may take, at the end of a generation's logs.
const farewell = time.Second

// severities are syslog's, by level.
var severities = map[errlog.Level]syslog.Severity{
	errlog.Debug: syslog.Debug, errlog.Info: syslog.Info, errlog.Warning: syslog.Warning,
	errlog.Error: syslog.Error, errlog.Critical: syslog.Critical,
}

// openSyslog makes what sends error lines to syslog; nil if the settings ask for none.
func (m *Master) openSyslog(s *workerctl.Settings) (*syslog.Sender, error) {
	if !s.Syslog {
		return nil, nil
	}
	address, err := syslog.ParseAddress(s.SyslogAddr)
	if err != nil {
		return nil, err
	}
	facility, err := syslog.Facility(s.SyslogFacility)
	if err != nil {
		return nil, err
	}
	return syslog.NewSender(address, facility, s.SyslogName(), "error", func(text string) { m.log.Warningf("%s", text) }), nil
}

// speakAs makes the master's lines those of a generation: its file, level, syslog and statsd.
func (m *Master) speakAs(g *generation) {
	m.log.SetFD(g.errorLog.FD())
	errlog.LastWords(g.errorLog.FD())
	m.log.SetLevel(g.plan.Worker.LogLevel)
	var copies []errlog.Copy
	if sender := g.syslog; sender != nil {
		copies = append(copies, func(level errlog.Level, text []byte) { sender.Send(severities[level], text) })
	}
	if client := g.stats; client != nil {
		copies = append(copies, func(level errlog.Level, _ []byte) {
			if level >= errlog.Warning {
				client.Count("gunicorn.log." + strings.ToLower(level.String()))
			}
		})
	}
	m.log.SetCopies(copies...)
}

// relayThrough hands the master's lines to the zygote if the user's logger class or logging
// configuration is to write them. While there is no zygote the lines are plain.
func (m *Master) relayThrough(z *zygote.Process) {
	m.relayed = nil
	if z == nil || !z.Logging.Relay {
		m.log.SetRelay(nil)
		return
	}
	m.relayed = z
	m.log.SetLeast(errlog.FromPython(z.Logging.Level))
	ch, pid := z.Channel, os.Getpid()
	m.log.SetRelay(func(level errlog.Level, _ time.Time, text string) bool {
		return ch.Send(zygotectl.LogLine{Level: level.Python(), Text: text, PID: pid}) == nil
	})
}

// stopRelaying takes the lines back from a zygote that is on its way out.
func (m *Master) stopRelaying(z *zygote.Process) {
	if m.relayed == z {
		m.relayThrough(nil)
	}
}

// measure tells statsd how many workers there are, when that changes, and how many connections
// wait, once a second.
func (m *Master) measure(now time.Time) {
	client := m.current.stats
	if client == nil || m.phase != serving {
		return
	}
	if n := len(m.table.List); n != m.counted {
		m.counted = n
		client.Gauge("gunicorn.workers", n)
	}
	if m.current.plan.Own.BacklogMetric && now.Sub(m.backlogAt) >= time.Second {
		m.backlogAt = now
		client.Histogram("gunicorn.backlog", m.current.backlog())
	}
}

// backlog is how many connections wait to be accepted. Unix sockets do not tell.
func (h *holdings) backlog() (sum int) {
	for _, s := range h.sockets {
		if s.Bound.Kind != "tcp" {
			continue
		}
		if info, err := unix.GetsockoptTCPInfo(s.FD, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			sum += int(info.Unacked)
		}
	}
	return sum
}

// openStats makes what sends metrics; nil if the settings ask for none.
func openStats(s *workerctl.Settings) *statsd.Client {
	if s.StatsdHost == "" {
		return nil
	}
	return statsd.New(s.StatsdHost, s.StatsdPrefix, s.DogstatsdTags)
}
