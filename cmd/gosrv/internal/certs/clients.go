package certs

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"gosrv/wsgi/ipc/tlspolicy"
)

// clients reads what clients' certificates are checked against: ca_certs, in which
// revocation lists (X509 CRL) may stand beside the authorities.
func (l *Loaded) clients(s *Settings) error {
	if s.CertReqs < tlspolicy.CertNone || s.CertReqs > tlspolicy.CertRequired {
		return fmt.Errorf("cert_reqs: %d means nothing: 0 asks clients for no certificate, 1 takes one, 2 requires one", s.CertReqs)
	}
	l.Policy.Clients.Require = s.CertReqs
	if s.CACerts == "" {
		if s.CertReqs != tlspolicy.CertNone {
			return fmt.Errorf("cert_reqs: %d wants clients' certificates checked, and ca_certs names no authorities", s.CertReqs)
		}
		return nil
	}
	from := source{"ca_certs", s.CACerts}
	l.watch(from.path)
	text, err := from.read()
	if err != nil {
		return err
	}
	authorities := blocks(text, "CERTIFICATE")
	if len(authorities) == 0 {
		return from.fault("has no certificate: PEM text with -----BEGIN CERTIFICATE----- is wanted")
	}
	for i, b := range authorities {
		if _, err := x509.ParseCertificate(b.Bytes); err != nil {
			return from.fault("certificate %d in it is damaged: %v", i+1, err)
		}
		l.Policy.Clients.Authorities += string(pem.EncodeToMemory(b))
	}
	for _, b := range blocks(text, "X509 CRL") {
		if _, err := x509.ParseRevocationList(b.Bytes); err != nil {
			return from.fault("a revocation list in it is damaged: %v", err)
		}
		l.Policy.Clients.Revoked += string(pem.EncodeToMemory(b))
	}
	return nil
}
