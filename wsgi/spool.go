package wsgi

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/loop"
)

// startSpool moves a body that is too large for blocks, or comes while memory is
// short, to a file without a name. What is in memory of it is written by the caller.
func (s *slot) startSpool(c *conn) bool {
	s.release()
	fd, err := spoolFile(s.w.set.tmpDir)
	if err != nil {
		s.w.log.Errorf("Error creating a spool file for a request body: %v", err)
		s.refuse(c, 500)
		return false
	}
	c.body.spool = fd
	c.in.Grow(&s.w.bufs, loop.MediumBuffer) // fewer and longer writes
	return true
}

// spoolFile opens an unlinked file in dir.
func spoolFile(dir string) (int, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return fd, nil
	}
	// Not every file system knows O_TMPFILE (overlayfs, NFS).
	f, err := os.CreateTemp(dir, "gosrv-body-")
	if err != nil {
		return -1, err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return -1, err
	}
	return unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
}

// spool appends p to the body's file. false: refused, the disk is full or so.
func (s *slot) spool(c *conn, p []byte) bool {
	s.release()
	for len(p) > 0 {
		n, err := unix.Write(c.body.spool, p)
		if err == unix.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = fmt.Errorf("short write")
		}
		if err != nil {
			s.w.log.Errorf("Error writing a request body to its spool file: %v", err)
			s.refuse(c, 500)
			return false
		}
		p = p[n:]
	}
	return true
}

// dropBody ends a body, complete or not.
func (w *worker) dropBody(c *conn) {
	if c.body.spool >= 0 {
		_ = unix.Close(c.body.spool)
	}
	if c.body.split {
		w.putBlocks(c.body.blocks)
	}
	w.bodies = append(w.bodies, c.body)
	c.body = nil
}

// getBody takes a body off the free list.
func (w *worker) getBody() *incoming {
	if n := len(w.bodies); n > 0 {
		b := w.bodies[n-1]
		w.bodies = w.bodies[:n-1]
		return b
	}
	return &incoming{}
}
