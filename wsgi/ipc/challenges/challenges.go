// Package challenges is what workers answer an ACME directory that asks whether a name is
// really this machine's (TLS-ALPN-01, RFC 8737): a memory file that the process which
// orders certificates writes and every worker reads when it is asked, so that no worker has
// to be told in time.
package challenges

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/memfile"
)

// Protocol is what such a client asks for by ALPN, and nothing beside it.
const Protocol = "acme-tls/1"

// Challenge is one question that may come.
type Challenge struct {
	Name  string `json:"name"`  // that the client asks for, in lower case
	Chain string `json:"chain"` // the certificate that is the answer, PEM
	Key   string `json:"key"`   // its key, PEM
}

// most is how long the file may be, in bytes: some 800 challenges.
const most = 1 << 20

// File is the memory file.
type File struct {
	fd      int
	written int // bytes that are no blanks
}

// New makes one without a challenge. Its descriptor (CLOEXEC) is the caller's.
func New() (*File, error) {
	fd, err := memfile.New("gosrv-acme")
	if err != nil {
		return nil, fmt.Errorf("making the file of challenges: %w", err)
	}
	return &File{fd: fd}, nil
}

// Of is a file whose descriptor came from elsewhere; it stays the caller's.
func Of(fd int) *File { return &File{fd: fd} }

// FD is its descriptor.
func (f *File) FD() int { return f.fd }

// Write puts these in the place of all that were there. One process at a time writes.
func (f *File) Write(all []Challenge) error {
	text, err := json.Marshal(all)
	if err == nil && len(text) > most {
		err = fmt.Errorf("%d bytes are too many", len(text))
	}
	if err != nil {
		return fmt.Errorf("writing challenges: %w", err)
	}
	n := len(text)
	text = append(text, bytes.Repeat([]byte{' '}, max(f.written-n, 0))...) // over the end of what was there
	f.written = n
	if _, err := unix.Pwrite(f.fd, text, 0); err != nil {
		return fmt.Errorf("writing challenges: %w", err)
	}
	return nil
}

// Find gives the challenge for a name; false: there is none.
func (f *File) Find(name string) (c Challenge, ok bool) {
	text, err := f.steady()
	if err != nil {
		return c, false
	}
	var all []Challenge
	if json.Unmarshal(bytes.TrimSpace(text), &all) != nil {
		return c, false
	}
	name = strings.ToLower(name)
	for _, c := range all {
		if c.Name == name {
			return c, true
		}
	}
	return c, false
}

// steady reads until two readings agree: a reading may meet a writing.
func (f *File) steady() (text []byte, err error) {
	var before []byte
	for range 10 {
		if text, err = memfile.Content(f.fd, 2*most); err != nil {
			return nil, err
		}
		if before != nil && bytes.Equal(text, before) {
			break
		}
		before = text
	}
	return text, nil
}
