// Package caller is the way from the server to a WSGI application on threads: it makes the environ of a request and
// calls the application, one crossing a request. The server knows none of it.
package caller

import (
	"fmt"
	"strings"

	"gosrv/cpython"
	"gosrv/environ"
	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/ipc/workerctl"
)

// Caller is what the threads of a worker share. It is complete before the first request, but for its cache.
type Caller struct {
	rules     *environ.Rules
	listeners []listener
	cache     [http1.BlockNumbers]cachedEnviron // guarded by the server's lead: Describe
}

// listener is what requests of one listening socket have in common.
type listener struct {
	about    environ.Listener
	base     cpython.Base
	constant map[string][]byte // environ keys in lower case that no request sets, for the access log
}

// New makes one for the settings of a worker.
func New(rules *environ.Rules) *Caller { return &Caller{rules: rules} }

// Listen makes the constant environ of a listener, by newBase (cpython.Thread.NewBase).
func (c *Caller) Listen(d workerctl.Listener, newBase func([]cpython.KV) (cpython.Base, error)) (call.Listener, error) {
	l := listener{constant: map[string][]byte{}, about: environ.Listener{
		Unix: d.Kind == "unix", Host: d.Host, Port: uint16(d.Port), Path: strings.Replace(d.Path, "\x00", "@", 1), // no NUL in SERVER_NAME
		HTTPS: d.HTTPS,
	}}
	var kv []cpython.KV
	for _, v := range l.about.Base(c.rules) {
		l.constant[strings.ToLower(v.Name)] = []byte(v.Value)
		kv = append(kv, cpython.KV{Key: v.Name, Value: v.Value})
	}
	var err error
	if l.base, err = newBase(kv); err != nil {
		return 0, fmt.Errorf("listener %s: %w", d.Name(), err)
	}
	c.listeners = append(c.listeners, l)
	return call.Listener(len(c.listeners) - 1), nil
}

// Thread gives a thread of the application its door.
func (c *Caller) Thread(t *cpython.Thread) *Thread {
	return &Thread{Thread: t, Description: Description{c: c}, python: t}
}

// Description makes one for who calls nothing.
func (c *Caller) Description() *Description { return &Description{c: c} }
