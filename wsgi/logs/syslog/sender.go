package syslog

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"gosrv/wsgi/logs/queue"
)

const (
	queued   = 1 << 20     // bytes of messages that wait for a slow server
	longest  = 60_000      // bytes of one message: what a datagram takes
	patience = time.Second // for connecting, and for one write
	pause    = time.Second // between two attempts to connect
)

// Sender hands messages to one goroutine that sends them. What is too much for the server is lost,
// counted and reported. All methods may be called from any goroutine.
type Sender struct {
	address  Address
	facility int
	tag      string // "gunicorn.PREFIX.error: [PID] "
	report   func(text string)
	queue    *queue.Queue[batch]
	losses   *queue.Losses

	// The goroutine's own.
	conn net.Conn
	away bool // no server answers, and that was reported
}

// batch is what waits together.
type batch struct {
	messages [][]byte
	size     int // of their texts
}

// NewSender makes a Sender and connects when there is something to send. name is error or access;
// prefix is what stands between it and "gunicorn". report gets a sentence for the error log when
// messages were lost; nil: nobody does.
func NewSender(a Address, facility int, prefix, name string, report func(text string)) *Sender {
	s := &Sender{
		address: a, facility: facility, report: report,
		tag: "gunicorn." + prefix + "." + name + ": [" + strconv.Itoa(os.Getpid()) + "] ",
	}
	s.queue = queue.New(0, s.sendAll)
	s.losses = queue.NewLosses("Syslog", "the server is slower than the log", report, s.queue.Done())
	s.queue.Start()
	return s
}

// CountLossesBy has count told of messages that are lost, on any goroutine.
func (s *Sender) CountLossesBy(count func(n uint64)) { s.losses.CountBy(count) }

// Send queues one message and returns at once. text is copied; a newline at its end is left out.
func (s *Sender) Send(severity Severity, text []byte) {
	text = bytes.TrimSuffix(text, []byte{'\n'})
	if len(text) > longest {
		text = text[:longest]
	}
	waiting, open := s.queue.Lock()
	fits := open && waiting.size+len(text) <= queued
	if fits {
		waiting.messages = append(waiting.messages, s.message(severity, text))
		waiting.size += len(text)
	}
	s.queue.Unlock(fits)
	if !fits {
		s.losses.Add(1, nil)
	}
}

// message is one as it is sent: framed by its end, a NUL in a datagram and a newline in a stream.
func (s *Sender) message(severity Severity, text []byte) []byte {
	msg := make([]byte, 0, len(text)+len(s.tag)+8)
	msg = append(strconv.AppendInt(append(msg, '<'), int64(s.facility<<3|int(severity)), 10), '>')
	msg = append(append(msg, s.tag...), text...)
	if s.address.lines {
		return append(bytes.ReplaceAll(msg, []byte{'\n'}, []byte("#012")), '\n')
	}
	return append(msg, 0)
}

// Close sends what waits and ends. After most it gives up.
func (s *Sender) Close(most time.Duration) { s.queue.Close(most) }

// sendAll is the goroutine's: it sends a batch and empties it.
func (s *Sender) sendAll(b *batch, last bool) bool {
	sent := len(b.messages) > 0
	for i := 0; i < len(b.messages); {
		if s.conn == nil && !s.connect() {
			if !s.queue.Pause(pause) {
				break
			}
			continue
		}
		s.send(b.messages[i])
		i++
	}
	*b = batch{}
	if last {
		s.losses.Report()
		if s.conn != nil {
			s.conn.Close()
		}
	}
	return sent
}

// send tries twice: a server that was started again is found at the second attempt.
func (s *Sender) send(msg []byte) {
	var cause error
	for range 2 {
		if s.conn == nil && !s.connect() {
			break
		}
		_ = s.conn.SetWriteDeadline(time.Now().Add(patience))
		_, err := s.conn.Write(msg)
		if err == nil {
			return
		}
		cause = err
		s.conn.Close()
		s.conn = nil
	}
	s.losses.Add(1, cause)
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
	s.conn = nil
	if !s.away && s.report != nil {
		s.report(fmt.Sprintf("Syslog: no server answers: %v. Lines wait for it, up to %d MiB of them", err, queued>>20))
	}
	s.away = true
	return false
}
