// Package tlspolicy is how a worker speaks TLS, as data: the master reads keys and
// certificates as the user that started it, and hands workers the whole in a memory file.
package tlspolicy

import (
	"encoding/json"
	"fmt"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/memfile"
)

// Policy is what a server needs for its handshakes. It holds private keys: it is never
// logged, never in an environment variable, and never on a disk of its own.
type Policy struct {
	Pairs   []Pair     `json:"pairs"`             // the first answers for names that no other has
	Clients Clients    `json:"clients"`           // certificates of clients
	Min     uint16     `json:"min"`               // crypto/tls's number of the oldest version
	Max     uint16     `json:"max,omitempty"`     // of the newest; 0: the newest there is
	Suites  []uint16   `json:"suites,omitempty"`  // IANA numbers for TLS 1.2, nil: Go's
	Protos  []string   `json:"protos,omitempty"`  // ALPN, preferred first; nil: none is offered
	Environ bool       `json:"environ,omitempty"` // the application is told of each session
	Tickets [][32]byte `json:"tickets,omitempty"` // the first encrypts, all decrypt; nil: no resumption
}

// Pair is a certificate with its chain, leaf first, and its key, both PEM.
type Pair struct {
	Chain string `json:"chain"`
	Key   string `json:"key"`
}

// Clients is what is asked of clients. Require values are Python's and Gunicorn's
// cert_reqs.
type Clients struct {
	Require     int    `json:"require"`               // CertNone, CertOptional, CertRequired
	Authorities string `json:"authorities,omitempty"` // PEM of the certificates that sign clients'
	Revoked     string `json:"revoked,omitempty"`     // PEM of their revocation lists
}

// Values of cert_reqs: ssl.CERT_NONE, CERT_OPTIONAL and CERT_REQUIRED.
const (
	CertNone = iota
	CertOptional
	CertRequired
)

// Seal writes the policy into a memory file that nobody changes any more. The
// descriptor (CLOEXEC, at its start) is the caller's.
func (p *Policy) Seal() (int, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return -1, err
	}
	fd, err := memfile.Written(memfile.New, "gosrv-tls", text)
	if err != nil {
		return -1, fmt.Errorf("writing the certificates for the workers: %w", err)
	}
	// An unlinked file, where memfd_create is refused, takes no seals.
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	return fd, nil
}

// Open reads what Seal has written. The descriptor stays the caller's; its offset does
// not matter, since several processes share it.
func Open(fd int) (*Policy, error) {
	text, err := memfile.Content(fd, 1<<26)
	if err != nil {
		return nil, fmt.Errorf("reading the certificates from the master: %w", err)
	}
	p := &Policy{}
	if err := json.Unmarshal(text, p); err != nil {
		return nil, fmt.Errorf("reading the certificates from the master: %w", err)
	}
	return p, nil
}
