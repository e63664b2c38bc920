package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"gosrv/wsgi/ipc/tlspolicy"
)

// source is a file and the setting that names it.
type source struct{ setting, path string }

// fault is an error about the file.
func (s source) fault(format string, args ...any) error {
	return fmt.Errorf("%s: %s: "+format, append([]any{s.setting, s.path}, args...)...)
}

// reason is the plain word for an error of the system.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// most is how large a file of certificates or keys may be, in bytes.
const most = 4 << 20

func (s source) read() ([]byte, error) {
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, syscall.EACCES):
		return nil, s.fault("permission denied for user id %d, who starts the server; workers need no right to it", os.Geteuid())
	case err != nil:
		return nil, s.fault("%s", reason(err))
	case info.IsDir():
		return nil, s.fault("is a folder")
	case info.Size() > most:
		return nil, s.fault("is larger than %d bytes: not a certificate or key", most)
	}
	text, err := os.ReadFile(s.path)
	if errors.Is(err, syscall.EACCES) {
		return nil, s.fault("permission denied for user id %d, who starts the server; workers need no right to it", os.Geteuid())
	}
	if err != nil {
		return nil, s.fault("%s", reason(err))
	}
	return text, nil
}

// blocks are the PEM blocks of a file whose type ends so.
func blocks(text []byte, suffix string) (found []*pem.Block) {
	for {
		var b *pem.Block
		if b, text = pem.Decode(text); b == nil {
			return found
		}
		if strings.HasSuffix(b.Type, suffix) {
			found = append(found, b)
		}
	}
}

// add takes a certificate with its chain, and its key.
func (l *Loaded) add(cert, key source, now time.Time) error {
	l.watch(cert.path)
	l.watch(key.path)
	chain, leaf, err := cert.chain()
	if err != nil {
		return err
	}
	secret, err := key.key()
	if err != nil {
		return err
	}
	if _, err := tls.X509KeyPair(chain, secret); err != nil {
		return key.fault("is not the key of the certificate in %s (%s): %s", cert.path, leaf.Subject, strings.TrimPrefix(err.Error(), "tls: "))
	}
	l.Policy.Pairs = append(l.Policy.Pairs, tlspolicy.Pair{Chain: string(chain), Key: string(secret)})
	c := Certificate{File: cert.path, Names: names(leaf), Key: kind(leaf.PublicKey), NotAfter: leaf.NotAfter, Life: leaf.NotAfter.Sub(leaf.NotBefore)}
	l.Certificates = append(l.Certificates, c)
	if now.Before(leaf.NotBefore) {
		l.Warnings = append(l.Warnings, fmt.Sprintf("The certificate %s is not valid before %s", c.File, leaf.NotBefore.UTC().Format(time.DateTime)))
	}
	if info, err := os.Stat(key.path); err == nil && info.Mode().Perm()&0o004 != 0 {
		l.Warnings = append(l.Warnings, fmt.Sprintf("The key in %s can be read by everybody on this machine (mode %04o): chmod 600 %s", key.path, info.Mode().Perm(), key.path))
	}
	return nil
}

// chain reads a certificate and those that stand between it and its authority.
func (s source) chain() ([]byte, *x509.Certificate, error) {
	text, err := s.read()
	if err != nil {
		return nil, nil, err
	}
	found := blocks(text, "CERTIFICATE")
	if len(found) == 0 {
		if _, err := x509.ParseCertificate(text); err == nil {
			return nil, nil, s.fault("is DER, not PEM: openssl x509 -inform der -in %s -out cert.pem", s.path)
		}
		return nil, nil, s.fault("has no certificate: PEM text with -----BEGIN CERTIFICATE----- is wanted")
	}
	var chain []byte
	var leaf *x509.Certificate
	for i, b := range found {
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, nil, s.fault("certificate %d in it is damaged: %s", i+1, strings.TrimPrefix(err.Error(), "x509: "))
		}
		if leaf == nil {
			leaf = c
		}
		chain = append(chain, pem.EncodeToMemory(b)...)
	}
	return chain, leaf, nil
}

// key reads a private key.
func (s source) key() ([]byte, error) {
	text, err := s.read()
	if err != nil {
		return nil, err
	}
	if found := blocks(text, "PRIVATE KEY"); len(found) > 0 {
		b := found[0]
		if b.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, s.fault("the key is encrypted, and nobody is there to type its password: openssl pkey -in %s -out key.pem, then chmod 600 key.pem", s.path)
		}
		return pem.EncodeToMemory(b), nil
	}
	if _, err := x509.ParsePKCS8PrivateKey(text); err == nil {
		return nil, s.fault("is DER, not PEM: openssl pkey -inform der -in %s -out key.pem", s.path)
	}
	if s.setting == "certfile" {
		return nil, s.fault("has no private key in it, and keyfile is not set")
	}
	return nil, s.fault("has no private key: PEM text with -----BEGIN PRIVATE KEY----- is wanted")
}

// names are the hosts that a certificate is for.
func names(c *x509.Certificate) []string {
	found := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		found = append(found, ip.String())
	}
	if len(found) == 0 {
		found = append(found, c.Subject.CommonName)
	}
	return found
}

// kind describes a public key.
func kind(key crypto.PublicKey) string {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "unknown key"
}
