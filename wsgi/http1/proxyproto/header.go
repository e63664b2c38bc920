// Package proxyproto reads the PROXY header that a proxy puts before the first byte of a connection.
//
// It does no I/O, and copies nothing but the two addresses of a version 1 line. Like http1 it has three outcomes: read
// (or none there), more bytes wanted (ErrPartial), or an error that is to end the connection.
package proxyproto

import (
	"bytes"
	"errors"
	"net/netip"
)

// ErrPartial says that the input so far may become a PROXY header: call again with more.
var ErrPartial = errors.New("proxyproto: incomplete")

// Refusals, for the error log: constant text, nothing of the client's input.
var (
	errLine   = errors.New("invalid PROXY line")
	errBinary = errors.New("invalid PROXY version 2 header")
)

// Mode is the setting proxy_protocol.
type Mode uint8

// Modes of the PROXY protocol.
const (
	Off  Mode = iota
	V1        // text
	V2        // binary
	Auto      // either
)

// Header is what a PROXY header says of a connection. Without addresses (v1 UNKNOWN, v2 LOCAL and UNSPEC) both
// are the zero value, and the addresses of the socket stand.
type Header struct {
	Protocol            string // TCP4, TCP6, UNKNOWN, LOCAL or UNSPEC
	Source, Destination netip.AddrPort
}

// Parse reads a PROXY header (HAProxy's specification, 2020) from the start of a connection. n is its
// length; n == 0 with a nil error says that there is none, which Gunicorn takes for plain HTTP. The other
// outcomes are ErrPartial and a refusal; the longest header is 4112 bytes. Whether the peer is allowed to send
// one (proxy_allow_ips) is for the caller to know.
func Parse(mode Mode, buf []byte) (p Header, n int, err error) {
	if mode == V1 || mode == Auto {
		switch prefix(buf, lineStart) {
		case yes:
			return parseLine(buf)
		case open:
			return p, 0, ErrPartial
		}
	}
	if mode == V2 || mode == Auto {
		switch prefix(buf, signature) {
		case yes:
			return parseBinary(buf)
		case open:
			return p, 0, ErrPartial
		}
	}
	return p, 0, nil
}

// answer to "does buf begin with this?", as far as buf has come.
type answer uint8

const (
	no answer = iota
	open
	yes
)

func prefix(buf, want []byte) answer {
	n := min(len(buf), len(want))
	switch {
	case !bytes.Equal(buf[:n], want[:n]):
		return no
	case n < len(want):
		return open
	}
	return yes
}
