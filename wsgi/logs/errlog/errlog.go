// Package errlog writes Gunicorn's error log: one line, one write(2), straight
// to a descriptor that master and workers share.
//
//	[2026-11-21 15:43:00 +0000] [1234] [INFO] Listening at: http://127.0.0.1:8000 (1234)
package errlog

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Level orders messages by importance.
type Level int32

// The levels of Gunicorn's loglevel setting.
const (
	Debug Level = iota
	Info
	Warning
	Error
	Critical
)

var levelNames = [...]string{"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}

// ParseLevel reads a loglevel setting, in any case. An unknown name is Info,
// as in Gunicorn.
func ParseLevel(name string) Level {
	for i, n := range levelNames {
		if strings.EqualFold(name, n) {
			return Level(i)
		}
	}
	return Info
}

// String is the level as lines show it.
func (l Level) String() string { return levelNames[l] }

// Python gives the number that Python's logging module has for a level.
func (l Level) Python() int { return 10 * (int(l) + 1) }

// FromPython is the level of a number of Python's logging module, the next higher one for
// numbers in between.
func FromPython(number int) Level {
	return Level(min(max((number+9)/10-1, int(Debug)), int(Critical)))
}

// Relay takes a line in place of the Logger's descriptor, at the moment given. false: it cannot,
// and the line is written as always. It must not block and not log.
type Relay func(level Level, at time.Time, text string) bool

// Copy gets each line that was not relayed, without date and newline. It must not block and not
// log; text is borrowed.
type Copy func(level Level, text []byte)

// Logger writes log lines to one descriptor. All methods may be called from
// any goroutine. A line is one write(2), so lines of several processes on one
// O_APPEND file do not mix.
type Logger struct {
	mu    sync.Mutex // guards fd and buf, and orders the lines
	fd    int        // borrowed
	buf   []byte     // last line, kept for its capacity
	lost  int        // lines that could not be written, not reported yet
	relay Relay      // nil: none
	also  []Copy
	level atomic.Int32
	now   func() time.Time
	pid   int
}

// New makes a Logger on fd, which stays the caller's, that drops lines below
// level (a loglevel name).
func New(fd int, level string) *Logger {
	l := &Logger{fd: fd, now: time.Now, pid: os.Getpid()}
	l.SetLevel(level)
	return l
}

// SetFD moves the log to another descriptor. When it returns the old one is not
// used any more; closing it is the caller's business.
func (l *Logger) SetFD(fd int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fd = fd
}

// SetRelay hands lines to relay from now on; nil ends that.
func (l *Logger) SetRelay(relay Relay) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.relay = relay
}

// SetCopies replaces those who get a copy of each line.
func (l *Logger) SetCopies(also ...Copy) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.also = also
}

// SetLeast changes the filter.
func (l *Logger) SetLeast(level Level) { l.level.Store(int32(level)) }

// SetLevel changes the filter (a loglevel name).
func (l *Logger) SetLevel(level string) { l.level.Store(int32(ParseLevel(level))) }

// Enabled tells whether a line of this level would be written.
func (l *Logger) Enabled(level Level) bool { return int32(level) >= l.level.Load() }

// Debugf logs at DEBUG.
func (l *Logger) Debugf(format string, args ...any) { l.Logf(Debug, format, args...) }

// Infof logs at INFO.
func (l *Logger) Infof(format string, args ...any) { l.Logf(Info, format, args...) }

// Warningf logs at WARNING.
func (l *Logger) Warningf(format string, args ...any) { l.Logf(Warning, format, args...) }

// Errorf logs at ERROR. A traceback goes in as a message with newlines: it
// stays one write and is not prefixed again, as in Gunicorn.
func (l *Logger) Errorf(format string, args ...any) { l.Logf(Error, format, args...) }

// Criticalf logs at CRITICAL.
func (l *Logger) Criticalf(format string, args ...any) { l.Logf(Critical, format, args...) }

// Logf logs at a level chosen at run time.
func (l *Logger) Logf(level Level, format string, args ...any) {
	if !l.Enabled(level) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if l.relay != nil && l.relay(level, now, strings.TrimRight(fmt.Sprintf(format, args...), "\n")) {
		return
	}
	b := now.AppendFormat(l.buf[:0], "[2006-01-02 15:04:05 -0700] [")
	b = strconv.AppendInt(b, int64(l.pid), 10)
	b = append(b, "] ["...)
	b = append(b, levelNames[level]...)
	b = append(b, "] "...)
	start := len(b)
	b = fmt.Appendf(b, format, args...)
	for len(b) > start && b[len(b)-1] == '\n' {
		b = b[:len(b)-1]
	}
	for _, copyTo := range l.also {
		copyTo(level, b[start:])
	}
	b = append(b, '\n')
	l.buf = b
	l.put(b)
}

// LastWords has the Go runtime write its fatal errors (a panic, a deadlock, a fault in Go) to fd as
// well, if that is another file than standard error. fd stays the caller's; call it again when the
// log is another file.
func LastWords(fd int) {
	if same(fd, 2) {
		_ = debug.SetCrashOutput(nil, debug.CrashOptions{})
		return
	}
	if own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3); err == nil {
		file := os.NewFile(uintptr(own), "errorlog")
		_ = debug.SetCrashOutput(file, debug.CrashOptions{}) // duplicates it
		_ = file.Close()
	}
}

func same(a, b int) bool {
	var of, other unix.Stat_t
	return unix.Fstat(a, &of) == nil && unix.Fstat(b, &other) == nil && of.Dev == other.Dev && of.Ino == other.Ino
}

// put writes a line. The first one that is lost is told to standard error, which may be another
// file; how many were, to the log itself, once it takes lines again.
func (l *Logger) put(b []byte) {
	err := writeAll(l.fd, b)
	switch {
	case err != nil && l.lost == 0:
		l.lost++
		if !same(l.fd, 2) {
			_ = writeAll(2, fmt.Appendf(nil, "gosrv: [%d] the error log cannot be written: %v; its lines are lost until it can\n", l.pid, err))
		}
	case err != nil:
		l.lost++
	case l.lost > 0:
		note := l.now().AppendFormat(nil, "[2006-01-02 15:04:05 -0700]")
		if writeAll(l.fd, fmt.Appendf(note, " [%d] [WARNING] Lines of this log that are lost: %d\n", l.pid, l.lost)) == nil {
			l.lost = 0
		}
	}
}

// writeAll gives up on the first real error: a log that cannot be written must not
// stop the server.
func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN {
			// The application made a shared terminal or pipe non-blocking.
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 1000); err == nil || err == unix.EINTR {
				if n, _ := unix.Write(fd, b); n > 0 {
					b = b[n:]
					continue
				}
			}
			return err
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// Printable is what a client sent, in quotes' escapes: it writes no control characters to the log.
func Printable[T string | []byte](text T) string {
	quoted := strconv.QuoteToASCII(string(text))
	return quoted[1 : len(quoted)-1]
}
