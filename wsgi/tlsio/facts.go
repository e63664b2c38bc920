package tlsio

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"strings"
)

// Facts is what gunicorn.socket says of a session, in the words of Python's ssl module.
type Facts struct {
	Version     string `json:"version"`     // "TLSv1.3"
	Cipher      string `json:"cipher"`      // OpenSSL's name
	Bits        int    `json:"bits"`        // of the cipher's key
	Protocol    string `json:"alpn"`        // "": none was agreed on
	Certificate []byte `json:"certificate"` // the client's, DER; nil: none was shown
}

// Facts describes a session whose handshake is over.
func (s *Session) Facts() Facts {
	state := s.conn.ConnectionState()
	f := Facts{
		Version: strings.Replace(tls.VersionName(state.Version), "TLS ", "TLSv", 1),
		Cipher:  opensslName(state.CipherSuite), Bits: 128, Protocol: state.NegotiatedProtocol,
	}
	for _, long := range []string{"AES256", "AES_256", "CHACHA20"} {
		if strings.Contains(f.Cipher, long) {
			f.Bits = 256
		}
	}
	if len(state.PeerCertificates) > 0 {
		f.Certificate = state.PeerCertificates[0].Raw
	}
	return f
}

// Variables are the values of call.Secured: what mod_ssl says of a session, "" for what it
// does not. false: the policy wants nothing said.
func (s *Session) Variables() (v [8]string, wanted bool) {
	if !s.table.told.Load() {
		return v, false
	}
	state := s.conn.ConnectionState()
	v = [8]string{"on", strings.Replace(tls.VersionName(state.Version), "TLS ", "TLSv", 1), opensslName(state.CipherSuite), "NONE"}
	if len(state.PeerCertificates) == 0 {
		return v, true
	}
	c := state.PeerCertificates[0]
	v[3] = "SUCCESS" // one that is wrong ends the handshake
	v[4], v[5] = distinguished(c.RawSubject), distinguished(c.RawIssuer)
	v[6] = fmt.Sprintf("%X", c.SerialNumber)
	v[7] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	return v, true
}

// distinguished is a name as RFC 2253 writes it.
func distinguished(raw []byte) string {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &name); err != nil || len(rest) > 0 {
		return ""
	}
	return name.String()
}

// opensslName is the name that OpenSSL has for a suite of TLS 1.2; those of 1.3 have one name.
func opensslName(id uint16) string {
	name := tls.CipherSuiteName(id)
	pair, rest, old := strings.Cut(strings.TrimPrefix(name, "TLS_"), "_WITH_")
	if !old {
		return name
	}
	rest = strings.NewReplacer("AES_128_", "AES128_", "AES_256_", "AES256_", "_CBC", "", "CHACHA20_POLY1305_SHA256", "CHACHA20_POLY1305").Replace(rest)
	if pair != "RSA" {
		rest = pair + "_" + rest
	}
	return strings.ReplaceAll(rest, "_", "-")
}

// Protocol is what the client and the server have agreed on by ALPN; "": nothing.
func (s *Session) Protocol() string { return s.conn.ConnectionState().NegotiatedProtocol }
