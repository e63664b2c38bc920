package h2io

import (
	"slices"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/http2"
	"gosrv/wsgi/loop"
)

// WaitReadable blocks until a part of the request is here, or it is gone, or so many milliseconds passed
// (-1: for ever); it tells whether there is something to be read.
func (t *Stream) WaitReadable(timeout int) bool {
	return t.wait(timeout, func() bool { return t.gone() || t.st.Unread() > 0 })
}

// WaitWritable blocks likewise until there is room for more of the answer; it tells whether there is. Who has waited
// so yields to nobody: it would find room, and none, in turn.
func (t *Stream) WaitWritable(timeout int) bool {
	return t.wait(timeout, func() bool {
		if t.gone() {
			return true
		}
		room := t.st.Room() > 0
		if room {
			t.yielded = 1
		}
		return room
	})
}

// wait blocks until ready, which is asked under mu. Whoever waits reads, if nobody else does: all threads may be
// waiting, and the one that leads inside the application. The loop is told of what was read so.
func (t *Stream) wait(timeout int, ready func() bool) bool {
	c := t.c
	w := c.table.lendWaker()
	if w == nil {
		return false
	}
	c.join(w)
	defer c.part(w)
	deadline := loop.Now() + int64(timeout)*1e6
	for {
		is, events := c.look(ready)
		if is {
			return true
		}
		left := -1
		if timeout >= 0 {
			if left = int((deadline - loop.Now() + 999_999) / 1e6); left <= 0 {
				return false
			}
		}
		p := []unix.PollFd{{Fd: int32(c.wire.FD()), Events: events}, {Fd: int32(w.FD()), Events: unix.POLLIN}}
		if _, err := unix.Poll(p, left); err != nil {
			return false // a signal: the caller looks
		}
		if p[1].Revents != 0 {
			w.Clear()
		}
		if p[0].Revents&unix.POLLOUT != 0 {
			c.Flush()
		}
		if p[0].Revents&^unix.POLLOUT != 0 {
			c.Receive()
			c.table.told.Put(c)
		}
	}
}

// look asks ready, and gives what to poll the socket for.
func (c *Conn) look(ready func() bool) (is bool, events int16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if is = ready(); is {
		return true, 0
	}
	c.flush()
	if c.s.Waits() > 0 {
		events |= unix.POLLOUT
	}
	if c.s.Waits() < http2.MostUnsent {
		events |= unix.POLLIN
	}
	return ready(), events
}

// join enters a thread that waits; part takes it off.
func (c *Conn) join(w *loop.Waker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiters = append(c.waiters, w)
}

func (c *Conn) part(w *loop.Waker) {
	c.mu.Lock()
	c.waiters = slices.DeleteFunc(c.waiters, func(x *loop.Waker) bool { return x == w })
	c.mu.Unlock()
	c.table.takeWaker(w)
}

// signal lets those look again that wait. The caller holds mu.
func (c *Conn) signal() {
	for _, w := range c.waiters {
		w.Wake()
	}
}
