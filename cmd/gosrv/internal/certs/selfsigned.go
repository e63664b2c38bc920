package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// selfSignedDays is how long a certificate of one's own is good, and freshDays how much of
	// that must be left for one that is found to be used again.
	selfSignedDays = 30
	freshDays      = 7
)

// SelfSigned gives a file with a certificate for this machine's names and its key, for
// development: that of the last time, from the user's cache folder, or a new one. Browsers and
// curl warn of it unless they are told to trust it.
func SelfSigned(now time.Time) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("tls_self_signed: no folder to keep the certificate in: %w; set XDG_CACHE_HOME", err)
	}
	dir := filepath.Join(cache, "gosrv")
	path := filepath.Join(dir, "self-signed.pem")
	hosts := machineNames()
	if usable(path, hosts, now) {
		return path, nil
	}
	text, err := sign(hosts, now)
	if err != nil {
		return "", fmt.Errorf("tls_self_signed: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("tls_self_signed: %w", err)
	}
	next, err := os.CreateTemp(dir, "self-signed-*") // 0600
	if err != nil {
		return "", fmt.Errorf("tls_self_signed: %w", err)
	}
	defer os.Remove(next.Name())
	_, err = next.Write(text)
	if closed := next.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return "", fmt.Errorf("tls_self_signed: %w", err)
	}
	return path, nil
}

// machineNames are the names that a browser on this machine or beside it may use.
func machineNames() []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil && name != "" && !slices.Contains(names, name) {
		names = append(names, name)
	}
	return names
}

// usable tells whether a file holds a certificate for those names that is good for a while,
// and its key, which nobody else may read.
func usable(path string, hosts []string, now time.Time) bool {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		return false
	}
	l := &Loaded{}
	from := source{"tls_self_signed", path}
	if l.add(from, from, now) != nil {
		return false
	}
	c := &l.Certificates[0]
	slices.Sort(c.Names)
	wanted := slices.Sorted(slices.Values(hosts))
	return slices.Equal(c.Names, wanted) && c.Days(now) >= freshDays && len(l.Warnings) == 0
}

// sign makes a certificate and its key, PEM.
func sign(hosts []string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "gosrv for development", Organization: []string{"gosrv"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(selfSignedDays * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...), nil
}

// Fingerprint is the SHA-256 of a certificate as browsers show it; "" if the text is none.
func Fingerprint(chain string) string {
	block, _ := pem.Decode([]byte(chain))
	if block == nil {
		return ""
	}
	sum := sha256.Sum256(block.Bytes)
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(parts, ":")
}
