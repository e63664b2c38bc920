// Package call is what crosses between the server and the application's side, as plain data: a request, what a
// step of its answer gave, what both say of a connection. Whoever implements server.Application speaks this
// language; what C sees of it has the layout of C's structs (cgo checks that), so that nothing is converted.
package call

import "gosrv/wsgi/http1"

// Request is one request for the application. All of it is lent until Application.Call returns.
type Request struct {
	Head     []byte         // as the client has sent it, with its empty line
	Parsed   *http1.Request // offsets into Head
	Client   *Client
	Listener Listener
	Block    http1.Block // the number of its header block, if it came before
	KeepGIL  bool        // Call may return with the GIL, until Application.Release or another method
	Body     *Body
	Socket   int    // the descriptor of the connection
	Out      []byte // takes the packed response head and small bodies: at least some KiB
}

// Listener is the caller's number for a listening socket.
type Listener int

// Flags say what the application's or the worker's signal handlers asked for.
type Flags uint32

// The bits of Flags.
const (
	DrainRequested Flags = 1 << iota // SIGTERM
	QuitRequested                    // SIGINT, SIGQUIT, SIGABRT
)
