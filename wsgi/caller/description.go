package caller

import (
	"gosrv/cpython"
	"gosrv/environ"
	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
)

// Description is the environ of one request, that which was described last. One thread at a time may use it.
type Description struct {
	c        *Caller
	packed   environ.Packed
	flags    uint32 // of the call
	listener *listener
	made     [http1.BlockNumbers]uint32 // versions of the environs that C has for the thread
}

// Describe makes the environ of a request, or gives the reason why it is refused.
func (t *Description) Describe(r *call.Request) *http1.Error {
	t.listener = &t.c.listeners[r.Listener]
	t.flags = 0
	bad := t.pack(r, &environ.Facts{Rules: t.c.rules, Listener: &t.listener.about, Client: r.Client})
	if t.packed.HTTPS {
		t.flags |= cpython.HTTPS
	}
	if t.packed.Proxied {
		t.flags |= cpython.Proxied
	}
	if t.packed.Secured {
		t.flags |= cpython.Secured
	}
	if t.packed.HTTP2 {
		t.flags |= cpython.HTTP2
	}
	return bad
}

// Path is PATH_INFO. head is the request's.
func (t *Description) Path(head []byte) []byte { return t.packed.Text(head, environ.PathInfo) }

// Remote is REMOTE_ADDR.
func (t *Description) Remote(head []byte) []byte { return t.packed.Text(head, environ.RemoteAddr) }

// Texts of wsgi.url_scheme.
var (
	schemeHTTP  = []byte("http")
	schemeHTTPS = []byte("https")
)

// Served is the value of a key that is the server's; nil: it is not.
func (t *Description) Served(head []byte, key string) []byte {
	if key == "wsgi.url_scheme" {
		if t.packed.HTTPS {
			return schemeHTTPS
		}
		return schemeHTTP
	}
	if value := t.packed.Lookup(head, key); value != nil {
		return value
	}
	return t.listener.constant[key]
}
