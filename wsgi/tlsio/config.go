package tlsio

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"gosrv/wsgi/ipc/challenges"
	"gosrv/wsgi/ipc/tlspolicy"
)

// newConfig makes what handshakes go by of the master's policy, which has checked it: an error
// is one of this program's.
func newConfig(p *tlspolicy.Policy, asked *challenges.File) (*tls.Config, error) {
	c := &tls.Config{
		MinVersion: p.Min, MaxVersion: p.Max, CipherSuites: p.Suites, NextProtos: p.Protos,
		SessionTicketsDisabled: len(p.Tickets) == 0,
		// One record an answer, not many small ones that grow: those are for browsers on
		// slow links, and a server behind them sends small answers anyway.
		DynamicRecordSizingDisabled: true,
	}
	for _, pair := range p.Pairs {
		cert, err := tls.X509KeyPair([]byte(pair.Chain), []byte(pair.Key))
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		c.Certificates = append(c.Certificates, cert)
	}
	if len(p.Tickets) > 0 {
		c.SetSessionTicketKeys(p.Tickets)
	}
	if asked != nil {
		c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) { return challenged(asked, hello) }
	}
	return c, clients(c, &p.Clients)
}

// clients sets what is asked of clients.
func clients(c *tls.Config, p *tlspolicy.Clients) error {
	switch p.Require {
	case tlspolicy.CertOptional:
		c.ClientAuth = tls.VerifyClientCertIfGiven
	case tlspolicy.CertRequired:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	default:
		return nil
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM([]byte(p.Authorities)) {
		return fmt.Errorf("authorities for clients: no certificate")
	}
	revoked, err := revocations(p.Revoked)
	if err != nil || len(revoked) == 0 {
		return err
	}
	// Also for resumed sessions: a list may have come since.
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) > 0 && revoked[serialOf(s.PeerCertificates[0])] {
			return &Revoked{s.PeerCertificates[0]}
		}
		return nil
	}
	return nil
}

// Revoked is the error for a client's certificate that its authority has taken back.
type Revoked struct{ Certificate *x509.Certificate }

// Error implements error.
func (r *Revoked) Error() string {
	return fmt.Sprintf("the client's certificate is revoked (subject %s, serial %x)", r.Certificate.Subject, r.Certificate.SerialNumber)
}

// serial names a certificate: its authority's name and its number.
type serial struct{ issuer, number string }

func serialOf(c *x509.Certificate) serial {
	return serial{string(c.RawIssuer), c.SerialNumber.String()}
}

// revocations reads lists of revoked certificates (X509 CRL in PEM).
func revocations(text string) (map[serial]bool, error) {
	revoked := map[serial]bool{}
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return revoked, nil
		}
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("revocation list: %w", err)
		}
		for _, entry := range list.RevokedCertificateEntries {
			revoked[serial{string(list.RawIssuer), entry.SerialNumber.String()}] = true
		}
	}
}
