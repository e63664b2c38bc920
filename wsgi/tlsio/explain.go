package tlsio

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
)

// refusals are alerts of clients, in words for who runs the server.
var refusals = map[string]string{
	"remote error: tls: unknown certificate authority": "the client does not know the authority of the certificate",
	"remote error: tls: bad certificate":               "the client does not accept the certificate",
	"remote error: tls: unknown certificate":           "the client does not accept the certificate",
	"remote error: tls: expired certificate":           "the client holds the certificate for expired",
	// What OpenSSL sends when it breaks off is not encrypted as it should be by then.
	"local error: tls: bad record MAC":         "the client has broken the handshake off, as one does that does not accept the certificate",
	"tls: client didn't provide a certificate": "the client has shown no certificate, and cert_reqs requires one",
}

// Explain says for the log why a handshake failed; "" if there is nothing to say: the client
// has gone away.
func Explain(err error) string {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return ""
	}
	text := err.Error()
	if plain, ok := refusals[text]; ok {
		return plain
	}
	return strings.TrimPrefix(strings.TrimPrefix(text, "tls: "), "remote error: tls: ")
}
