package syslog

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

const (
	queued      = 1 << 20          // bytes of messages that wait for a slow server
	longest     = 60_000           // bytes of one message: what a datagram takes
	patience    = time.Second      // for connecting, and for one write
	pause       = time.Second      // between two attempts to connect
	reportEvery = 10 * time.Second // at least, between two reports of lost messages
)

// Sender hands messages to one goroutine that sends them. What is too much for the server is lost,
// counted and reported. All methods may be called from any goroutine.
type Sender struct {
	address  Address
	facility int
	tag      string // "gunicorn.PREFIX.error: [PID] "
	report   func(text string)
	wake     chan struct{}
	ending   chan struct{}
	done     chan struct{}

	mu     sync.Mutex
	queue  [][]byte
	size   int
	lost   uint64
	closed bool

	// The goroutine's own.
	conn     net.Conn
	away     bool // no server answers, and that was reported
	reported time.Time
	cause    error
}

// NewSender makes a Sender and connects when there is something to send. name is error or access;
// prefix is what stands between it and "gunicorn". report gets a sentence for the error log when
// messages were lost; nil: nobody does.
func NewSender(a Address, facility int, prefix, name string, report func(text string)) *Sender {
	s := &Sender{
		address: a, facility: facility, report: report, wake: make(chan struct{}, 1),
		tag:    "gunicorn." + prefix + "." + name + ": [" + strconv.Itoa(os.Getpid()) + "] ",
		ending: make(chan struct{}), done: make(chan struct{}),
	}
	go s.run()
	return s
}

// Send queues one message and returns at once. text is copied; a newline at its end is left out.
func (s *Sender) Send(severity Severity, text []byte) {
	text = bytes.TrimSuffix(text, []byte{'\n'})
	if len(text) > longest {
		text = text[:longest]
	}
	s.mu.Lock()
	if s.closed || s.size+len(text) > queued {
		s.lost++
		s.mu.Unlock()
		return
	}
	msg := make([]byte, 0, len(text)+len(s.tag)+8)
	msg = append(strconv.AppendInt(append(msg, '<'), int64(s.facility<<3|int(severity)), 10), '>')
	msg = append(append(msg, s.tag...), text...)
	if s.address.lines {
		msg = append(bytes.ReplaceAll(msg, []byte{'\n'}, []byte("#012")), '\n')
	} else {
		msg = append(msg, 0)
	}
	s.queue = append(s.queue, msg)
	s.size += len(text)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Close sends what waits and ends. After most it gives up.
func (s *Sender) Close(most time.Duration) {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.ending)
	}
	s.mu.Unlock()
	select {
	case <-s.done:
	case <-time.After(most):
	}
}

func (s *Sender) run() {
	defer close(s.done)
	for {
		s.mu.Lock()
		batch, closed := s.queue, s.closed
		s.queue, s.size = nil, 0
		s.mu.Unlock()
		for i := 0; i < len(batch); {
			if s.conn == nil && !s.connect() {
				if !s.wait(pause) {
					break
				}
				continue
			}
			s.send(batch[i])
			s.reportLost() // a batch may take long
			i++
		}
		s.reportLost()
		if closed {
			if s.conn != nil {
				s.conn.Close()
			}
			return
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-s.wake:
		case <-s.ending:
		}
	}
}

// wait lets time pass; false: the Sender is to end.
func (s *Sender) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ending:
		return false
	}
}

// send tries twice: a server that was started again is found at the second attempt.
func (s *Sender) send(msg []byte) {
	for range 2 {
		if s.conn == nil && !s.connect() {
			break
		}
		_ = s.conn.SetWriteDeadline(time.Now().Add(patience))
		_, err := s.conn.Write(msg)
		if err == nil {
			return
		}
		s.cause = err
		s.conn.Close()
		s.conn = nil
	}
	s.mu.Lock()
	s.lost++
	s.mu.Unlock()
}

// connect tells of a server that does not answer once, until it answers again.
func (s *Sender) connect() bool {
	var err error
	for _, network := range s.address.networks {
		if s.conn, err = net.DialTimeout(network, s.address.target, patience); err == nil {
			s.away = false
			return true
		}
	}
	s.conn, s.cause = nil, err
	if !s.away && s.report != nil {
		s.report(fmt.Sprintf("Syslog: no server answers: %v. Lines wait for it, up to %d MiB of them", err, queued>>20))
	}
	s.away = true
	return false
}

// reportLost tells of messages lost since the last report, not too often.
func (s *Sender) reportLost() {
	s.mu.Lock()
	lost := s.lost
	if lost == 0 || s.report == nil || time.Since(s.reported) < reportEvery {
		s.mu.Unlock()
		return
	}
	s.lost = 0
	s.mu.Unlock()
	cause := "the server is slower than the log"
	if s.cause != nil {
		cause = s.cause.Error()
	}
	s.reported, s.cause = time.Now(), nil
	s.report(fmt.Sprintf("Syslog: lines lost: %d (%s)", lost, cause))
}
