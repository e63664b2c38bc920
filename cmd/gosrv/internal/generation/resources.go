package generation

import (
	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/certs"
	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/logs"
)

// Resources are the descriptors of one generation: its workers get duplicates.
// They belong to the generation and not to the master, so that a reload that
// is abandoned has changed nothing.
type Resources struct {
	Sockets listen.Set // shared with the generation before, where the address is the same
	logs.Targets
	Certificates *certs.Served // nil: no TLS
}

// CloseCertificates gives back what it has for its workers, who have copies.
func (r *Resources) CloseCertificates() {
	if r.Certificates != nil {
		r.Certificates.Close()
	}
}

// CloseSockets closes the sockets that kept does not have.
func (r *Resources) CloseSockets(kept listen.Set) {
	r.Sockets.Replace(kept)
	r.Sockets = nil
}

// LeaveSockets does that beside another master that serves them: the path of a
// unix socket is its to remove.
func (r *Resources) LeaveSockets(kept listen.Set) {
	r.Sockets.Leave(kept)
	r.Sockets = nil
}

// Backlog is how many connections wait to be accepted. Unix sockets do not tell.
func (r *Resources) Backlog() (sum int) {
	for _, s := range r.Sockets {
		if s.Bound.Kind != "tcp" {
			continue
		}
		if info, err := unix.GetsockoptTCPInfo(s.FD, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			sum += int(info.Unacked)
		}
	}
	return sum
}
