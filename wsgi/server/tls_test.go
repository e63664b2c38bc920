package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"runtime"
	"testing"
	"time"

	"gosrv/wsgi/ipc/tlspolicy"
	"gosrv/wsgi/ipc/workerctl"
)

// overTLS makes a worker under test speak it.
func overTLS(t testing.TB) func(m *workerctl.Serve, fds *[]int) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	policy := tlspolicy.Policy{Min: tls.VersionTLS12, Pairs: []tlspolicy.Pair{{
		Chain: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), Key: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})),
	}}}
	return func(m *workerctl.Serve, fds *[]int) {
		fd, err := policy.Seal()
		if err != nil {
			t.Fatal(err)
		}
		m.Listeners[0].HTTPS = true
		m.FDs, *fds = append(m.FDs, workerctl.FDTLS), append(*fds, fd)
	}
}

// half is the beginning of a ClientHello: a record of 512 bytes, of which 100 are here.
func half() []byte {
	return append([]byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3}, make([]byte, 94)...)
}

// Whoever connects and says nothing, or half a ClientHello, costs no goroutine, and the header time-out ends it.
func TestHalfAHelloCostsNoGoroutine(t *testing.T) {
	const count = 900
	set := testSettings()
	set.Header = 2 * time.Second
	s := serveFake(t, set, hello, overTLS(t))
	ask := func() {
		client, err := tls.Dial("tcp", s.addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		_, _ = client.Write([]byte("GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"))
		if text, err := io.ReadAll(client); err != nil || len(text) == 0 {
			t.Fatalf("%q, %v", text, err)
		}
	}
	ask()
	before := runtime.NumGoroutine()
	silent := make([]net.Conn, count)
	for i := range silent {
		var err error
		if silent[i], err = net.Dial("tcp", s.addr); err != nil {
			t.Fatal(err)
		}
		defer silent[i].Close()
		if i%2 == 0 {
			_, _ = silent[i].Write(half())
		}
	}
	ask() // behind them all
	if now := runtime.NumGoroutine(); now > before+3 {
		t.Errorf("%d goroutines, %d before %d clients came", now, before, count)
	}
	for _, c := range silent {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if n, err := c.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Fatal(n, err)
		}
	}
}
