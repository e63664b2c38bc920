package certs

import (
	"errors"
	"fmt"
	"time"
)

// Context is what the hook ssl_context has made, as data (pyshim: loading/tls_context.py). It
// takes the place of all other settings of TLS but tls_certificates.
type Context struct {
	Error       string      `json:"error"` // of the hook, for the user; "": none
	Chains      [][2]string `json:"chains"`
	Min         uint16      `json:"min"`
	Max         uint16      `json:"max"`
	Suites      [][]any     `json:"suites"` // number and OpenSSL's name
	Require     int         `json:"require"`
	Authorities string      `json:"authorities"` // PEM
	Tickets     bool        `json:"tickets"`
}

// Check gives the error that ends a start or a reload.
func (c *Context) Check() error {
	if c.Error != "" {
		return errors.New(c.Error)
	}
	return nil
}

// context takes the pairs that the context has loaded, and what it asks of clients.
func (l *Loaded) context(c *Context, now time.Time) (err error) {
	p := &l.Policy
	p.Min, p.Max = c.Min, c.Max
	if p.Suites, err = ours("ssl_context", c.Suites); err != nil {
		return err
	}
	for _, chain := range c.Chains {
		cert, key := source{"ssl_context", chain[0]}, source{"ssl_context", chain[1]}
		if chain[1] == "" {
			key = cert
		}
		if err := l.add(cert, key, now); err != nil {
			return err
		}
	}
	p.Clients.Require, p.Clients.Authorities = c.Require, c.Authorities
	if c.Require != 0 && c.Authorities == "" {
		return fmt.Errorf("ssl_context: the context wants clients' certificates checked, and has loaded no authorities")
	}
	return nil
}
