package uwsgi

import (
	"regexp"
	"strings"
	"sync"
)

func (c *conversion) daemonize(o option) {
	c.set(o, "daemon", "True")
	c.logPath = o.value
}

func (c *conversion) logto(o option) { c.logPath = o.value }

func (c *conversion) disableLogging(o option) { c.noRequestLog = o.value.yes() }

// reqLogger and logger name a kind of logger and where it writes.
func (c *conversion) reqLogger(o option) {
	if to, ok := c.logFile(o); ok {
		c.set(o, "accesslog", to.str())
	}
}

func (c *conversion) logger(o option) {
	if to, ok := c.logFile(o); ok {
		c.set(o, "errorlog", to.str())
	}
}

var namedLogger = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:\w+ )?(\w+)(?::(.*))?$`) })

// logFile reads file:PATH and stdio; other loggers are not gosrv's.
func (c *conversion) logFile(o option) (text, bool) {
	raw, plain := o.value.plain()
	if o.value.starts("file:") {
		first := o.value[0]
		first.literal = strings.TrimPrefix(first.literal, "file:")
		return append(text{first}, o.value[1:]...), true
	}
	kind := ""
	if m := namedLogger().FindStringSubmatch(raw); plain && m != nil {
		kind = m[1]
		if kind == "file" {
			return literal(m[2]), true
		}
	}
	switch kind {
	case "stdio":
		return literal("-"), true
	case "syslog", "rsyslog":
		c.note(o.where, "`%s = %s`: see the settings syslog, syslog_addr and syslog_facility", o.key, o.raw)
	default:
		c.note(o.where, "`%s = %s`: gosrv logs to files, standard error and syslog", o.key, o.raw)
	}
	return nil, false
}

// finishLogs: uWSGI writes requests and all else into one log, and both unless
// told otherwise.
func (c *conversion) finishLogs() {
	to, origin := literal("-"), "uWSGI logs requests unless disable-logging is set"
	if c.logPath != nil {
		to = c.logPath
		if s := c.named("errorlog"); len(s.values) == 0 {
			s.values, s.sources = []string{to.str()}, []string{"the log of uWSGI, from daemonize or logto"}
		}
	}
	if c.noRequestLog {
		c.drop("accesslog")
		return
	}
	if s := c.named("accesslog"); len(s.values) == 0 {
		s.values, s.sources = []string{to.str()}, []string{origin}
	}
}

// logAtoms are the words of uWSGI's log-format and those of access_log_format.
var logAtoms = map[string]string{
	"uri": "%({raw_uri}e)s", "method": "%(m)s", "user": "%(u)s", "addr": "%(h)s", "host": "%({host}i)s", "proto": "%(H)s",
	"uagent": "%(a)s", "referer": "%(f)s", "status": "%(s)s", "micros": "%(D)s", "msecs": "%(M)s", "ltime": "%(t)s", "ctime": "%(t)s",
	"ftime": "%(t)s", "time": "%(t)s", "size": "%(b)s", "rsize": "%(b)s", "pid": "%(p)s", "cl": "%({content-length}i)s",
}

var logAtom = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`%\(([^)]*)\)`) })

// logFormat translates word by word; what gosrv does not know becomes a dash.
func (c *conversion) logFormat(o option) {
	var lost []string
	format := logAtom().ReplaceAllStringFunc(o.raw, func(atom string) string {
		name := atom[2 : len(atom)-1]
		if found, ok := logAtoms[name]; ok {
			return found
		}
		if variable, ok := strings.CutPrefix(name, "var."); ok {
			if header, ok := strings.CutPrefix(variable, "HTTP_"); ok {
				return "%({" + strings.ReplaceAll(strings.ToLower(header), "_", "-") + "}i)s"
			}
			return "%({" + strings.ToLower(variable) + "}e)s"
		}
		lost = append(lost, atom)
		return "-"
	})
	c.set(o, "access_log_format", quote(format))
	if len(lost) > 0 {
		c.note(o.where, "access_log_format has nothing for %s", strings.Join(lost, ", "))
	}
}
