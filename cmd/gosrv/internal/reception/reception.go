// Package reception receives connections that no worker accepts, because all of them are inside the application, or none is
// there yet. It answers health_path, and passes everything else on by the exchange, unread, to whichever worker comes first.
package reception

import (
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/wsgi/health"
	"gosrv/wsgi/ipc/workerctl"
)

const (
	// every is how often it looks; who asks for health waits for a second, as a rule.
	every = 100 * time.Millisecond
	// patience is how many looks in a row must find somebody waiting: of workers that
	// serve one after the other some queue is never empty, and they do not need help.
	patience = 3
	// atOnce is how many are received at a look, and most how many may be here.
	atOnce, most = 16, 256
	// silence is how long a connection may say nothing before it is passed on.
	silence = 300 * time.Millisecond
	// headMost is the longest head that asks for health, in bytes.
	headMost = 4 << 10
)

// Server is what the reception looks at.
type Server struct {
	// Wanted is what there is to be answered, by the settings in force; false: nothing.
	Wanted   func() (Desk, bool)
	State    func() health.State
	Exchange func() (fd int, open bool)
	Now      func() time.Time
}

// Desk is where it receives, and for what.
type Desk struct {
	Path    string // health_path
	Server  string // the line of the header Server
	Sockets listen.Set
}

// Reception is the master's: its loop alone uses it.
type Reception struct {
	Server
	due    time.Time
	found  int // looks in a row that found somebody waiting
	guests []guest
}

// guest is a connection whose request is not here yet, or that could not be passed on yet.
type guest struct {
	fd     int
	about  workerctl.Arrival
	until  time.Time // it may be silent
	passes bool      // it is for a worker
}

// Due is when the next Look is wanted; zero: never.
func (r *Reception) Due() time.Time { return r.due }

// Look receives who waits, if it is time to. Call it often.
func (r *Reception) Look() {
	desk, wanted := r.Wanted()
	now := r.Now()
	if !wanted {
		r.due, r.found = time.Time{}, 0
		r.Empty()
		return
	}
	if now.Before(r.due) {
		return
	}
	r.due = now.Add(every)
	waiting := queues(desk.Sockets)
	if len(waiting) == 0 {
		r.found = 0
	} else if r.found++; r.found >= patience {
		for _, s := range waiting {
			r.accept(s, now)
		}
	}
	r.attend(&desk, now)
}

// queues are the sockets at which somebody waits.
func queues(all listen.Set) (waiting []*listen.Socket) {
	polls := make([]unix.PollFd, len(all))
	for i, s := range all {
		polls[i] = unix.PollFd{Fd: int32(s.FD), Events: unix.POLLIN}
	}
	if n, err := unix.Poll(polls, 0); err != nil || n == 0 {
		return nil
	}
	for i, s := range all {
		if polls[i].Revents&unix.POLLIN != 0 {
			waiting = append(waiting, s)
		}
	}
	return waiting
}

// accept takes connections of one socket. What fails is left to the workers, which log it.
func (r *Reception) accept(s *listen.Socket, now time.Time) {
	for range atOnce {
		if len(r.guests) >= most {
			return
		}
		fd, from, err := unix.Accept4(s.FD, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		r.guests = append(r.guests, guest{fd: fd, about: workerctl.Arrival{Listener: s.Bound.Name(), Peer: listen.Peer(from)}, until: now.Add(silence)})
	}
}

// attend looks at what the guests want.
func (r *Reception) attend(desk *Desk, now time.Time) {
	kept := r.guests[:0]
	for _, g := range r.guests {
		if !g.passes {
			switch asked := g.look(desk.Path); asked {
			case health.Get, health.Head:
				g.answer(&health.Reply{State: r.State(), Server: desk.Server, Head: asked == health.Head}, now)
				continue
			case health.More:
				g.passes = now.After(g.until)
			default:
				g.passes = true
			}
		}
		if !g.passes || !r.pass(&g) {
			kept = append(kept, g)
		}
	}
	clear(r.guests[len(kept):])
	r.guests = kept
}

// look reads what has come and leaves it there.
func (g *guest) look(path string) health.Asked {
	var b [headMost]byte
	n, _, err := unix.Recvfrom(g.fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return health.More
	case err != nil || n == 0 || n == len(b):
		return health.Other // a worker knows what to do
	}
	return health.Look(b[:n], path)
}

// answer ends the connection with its answer. What it has sent is taken first: closing over it would be a reset.
func (g *guest) answer(reply *health.Reply, now time.Time) {
	var b [headMost]byte
	_, _, _ = unix.Recvfrom(g.fd, b[:], unix.MSG_DONTWAIT)
	reply.Date = now.UTC().AppendFormat(nil, imfDate)
	_, _ = unix.SendmsgN(g.fd, reply.Append(nil), nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL) // one that has gone needs none
	_ = unix.Shutdown(g.fd, unix.SHUT_WR)
	_ = unix.Close(g.fd)
}

// pass gives a connection to the workers; false: the exchange is full.
func (r *Reception) pass(g *guest) bool {
	exchange, open := r.Exchange()
	if !open {
		return false
	}
	if err := unix.Sendmsg(exchange, g.about.Packet(), unix.UnixRights(g.fd), nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL); err != nil {
		return false
	}
	_ = unix.Close(g.fd)
	return true
}

// Empty passes on who is still here, at the end: those who ask for health, too.
func (r *Reception) Empty() {
	for i := range r.guests {
		if !r.pass(&r.guests[i]) {
			_ = unix.Close(r.guests[i].fd)
		}
	}
	r.guests = nil
}

// imfDate is RFC 9110 5.6.7. net/http has it too, and costs master and workers a MiB each to link.
const imfDate = "Mon, 02 Jan 2006 15:04:05 GMT"
