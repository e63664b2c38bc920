package wsgi

import (
	"fmt"

	"gosrv/wsgi/loop"
	"gosrv/wsgi/spool"
)

// startSpool moves a body that is too large for blocks, or comes while memory is
// short, to a file without a name. What is in memory of it is written by the caller.
func (s *slot) startSpool(c *conn) bool {
	s.release()
	b := c.body
	fd, notice, err := s.l.spools.Open(max(b.want, b.got))
	if notice != "" {
		s.w.log.Warningf("%s", notice)
	}
	if err != nil {
		s.unspooled(c, err)
		return false
	}
	b.spool = fd
	c.in.Grow(&s.l.bufs, loop.MediumBuffer) // fewer and longer writes
	return true
}

// spool appends p to the body's file. false: refused, the disk is full or so.
func (s *slot) spool(c *conn, p []byte) bool {
	s.release()
	if err := s.l.spools.Write(c.body.spool, p); err != nil {
		s.unspooled(c, err)
		return false
	}
	return true
}

// unspooled refuses a body that finds no place.
func (s *slot) unspooled(c *conn, err error) {
	size := "unknown size"
	if n := c.body.want; n >= 0 {
		size = fmt.Sprintf("%d bytes", n)
	}
	s.w.log.Errorf("No place for a request body of %s, %d of which are here, in %s: %v", size, c.body.got, s.l.spools.Place(), err)
	s.refuse(c, spool.Status(err))
}

// dropBody ends a body, complete or not.
func (w *eventLoop) dropBody(c *conn) {
	if c.body.spool >= 0 {
		w.spools.Close(c.body.spool)
	}
	if c.body.split {
		w.putBlocks(c.body.blocks)
	}
	w.bodies = append(w.bodies, c.body)
	c.body = nil
}

// getBody takes a body off the free list.
func (w *eventLoop) getBody() *incoming {
	if n := len(w.bodies); n > 0 {
		b := w.bodies[n-1]
		w.bodies = w.bodies[:n-1]
		return b
	}
	return &incoming{}
}
