package tlsio

import (
	"crypto/tls"
	"fmt"
	"slices"

	"gosrv/wsgi/ipc/challenges"
)

// challenged is what a directory is shown that wants to know whether a name is this machine's
// (RFC 8737): a certificate that nobody else could have. nil: it is another client.
func challenged(asked *challenges.File, hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if !slices.Equal(hello.SupportedProtos, []string{challenges.Protocol}) {
		return nil, nil
	}
	c, found := asked.Find(hello.ServerName)
	if !found {
		return nil, fmt.Errorf("somebody asks by ACME for %q, and no certificate is being ordered for it here", hello.ServerName)
	}
	cert, err := tls.X509KeyPair([]byte(c.Chain), []byte(c.Key))
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert}, NextProtos: []string{challenges.Protocol}, MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true,
	}, nil
}

// WasChallenge tells whether the client was a directory, which has nothing else to say.
func (s *Session) WasChallenge() bool {
	return s.table.asked != nil && s.conn.ConnectionState().NegotiatedProtocol == challenges.Protocol
}
