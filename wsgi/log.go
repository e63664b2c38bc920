package wsgi

import "gosrv/wsgi/http1"

// logRefusal says why a request was refused, in Gunicorn's words. A client on a
// unix socket has no address.
func (s *slot) logRefusal(c *conn, e *http1.Error) {
	s.ReleaseGIL()
	s.w.logRefusal(c, e)
}

func (w *worker) logRefusal(c *conn, e *http1.Error) {
	ip := ""
	if addr := c.facts.Peer.Addr(); addr.IsValid() {
		ip = addr.String()
	}
	w.log.Warningf("Invalid request from ip=%s: %s", ip, e.Reason)
}

// report writes what the logs get of an answer that is over: the fault of the
// application, and the access log's line. The slot that served it calls it, as
// long as the request is still in the buffer.
func (s *slot) report(c *conn, a *answer, v verdict) {
	if a.fault != "" {
		s.ReleaseGIL()
		r := s.request(c)
		head := c.in.Unread()
		s.w.log.Errorf("Error handling request %s %s: %s", r.Method.Of(head), r.Target.Of(head), a.fault)
		a.fault = ""
	}
	if v == sent || v == cut || v == handled {
		s.record(c, a)
	}
}
