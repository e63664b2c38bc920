package answer

import (
	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
	"gosrv/wsgi/response"
)

// Holder says who may speak on a connection while its request is served. It
// begins as the server's and moves down this list only, when the application uses
// gunicorn.socket, or to its end, when the request is late. The request's end is
// the connection's then, unless the application has merely looked.
type Holder uint8

const (
	ServerHas   Holder = iota // the application has no socket, or knows no more of it than its address
	BothHave                  // it has a blocking one beside the server's; what it answers by WSGI leaves as ever
	AppHas                    // it has the only one: nothing is read from it, sent to it or waited for here
	WatchdogHas               // the watchdog has answered: nothing may be sent
)

// noStatus is what the access log shows of a request whose application has said
// nothing by start_response: None, as Gunicorn's.
const noStatus = -1

// concede ends the answer of such a request without a word. What is logged is
// what Gunicorn logs: nothing where the application says by an exception that
// all is done.
func (a *Answer) concede(out []byte) Verdict {
	switch {
	case a.Begun:
	case a.State == call.Failed:
		a.Frame.Status = 500
	case a.State == call.Handled || a.State == call.Quit:
		a.Logged = true
	case a.Result.HeadLen > 0:
		head := response.PackedHead(out[:a.Result.HeadLen])
		a.Frame.Status, _ = http1.ParseStatus(head.Status())
	default:
		a.Frame.Status = noStatus
	}
	a.Quits = a.State == call.Quit
	a.State, a.Begun = call.Done, true
	return Handled
}

// Lose gives the answer up to the watchdog, which has sent its own.
func (a *Answer) Lose() { a.Holder, a.Logged = WatchdogHas, true }
