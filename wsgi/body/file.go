package body

import (
	"fmt"

	"gosrv/wsgi/loop"
	"gosrv/wsgi/spool"
)

// openFile moves a body that is too large for blocks, or comes while memory is
// short, to a file without a name. What is in memory of it is written by the caller.
func (b *Body) openFile(by Thread) *Refusal {
	by.ReleaseGIL()
	fd, notice, err := b.m.Files.Open(max(b.want, b.got))
	if notice != "" {
		b.m.Warn(notice)
	}
	if err != nil {
		return b.noPlace(err)
	}
	b.store, b.file = inFile, fd
	b.in.Grow(&b.m.Bufs, loop.MediumBuffer) // fewer and longer writes
	return nil
}

// writeFile appends p to the body's file.
func (b *Body) writeFile(by Thread, p []byte) *Refusal {
	by.ReleaseGIL()
	if err := b.m.Files.Write(b.file, p); err != nil {
		return b.noPlace(err)
	}
	return nil
}

// noPlace refuses a body that no file takes.
func (b *Body) noPlace(err error) *Refusal {
	size := "unknown size"
	if b.want >= 0 {
		size = fmt.Sprintf("%d bytes", b.want)
	}
	return &Refusal{Status: spool.Status(err), Fault: fmt.Sprintf("No place for a request body of %s, %d of which are here, in %s: %v",
		size, b.got, b.m.Files.Place(), err)}
}
