package issuer

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/netutil"
)

const (
	// crowd is how many connections the port for plain HTTP holds at a time.
	crowd = 500
	// asking is where HTTP-01 asks (RFC 8555 8.3).
	asking = "/.well-known/acme-challenge/"
)

// ServeHTTP answers the directory on plain HTTP and sends everybody else on to https. It returns
// when the socket is closed.
func (s *Issuer) ServeHTTP(socket net.Listener) {
	server := http.Server{
		Handler: http.HandlerFunc(s.handle), ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
	}
	_ = server.Serve(netutil.LimitListener(socket, crowd))
}

func (s *Issuer) handle(w http.ResponseWriter, r *http.Request) {
	host := strings.ToLower(r.Host)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if token, ok := strings.CutPrefix(r.URL.Path, asking); ok {
		if text, known := s.answers.token(host, token); known {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write([]byte(text))
			return
		}
	}
	w.Header().Set("Connection", "close")
	if !slices.Contains(s.order.Names(), host) { // whoever sends somebody to a host of his own choice is nobody's friend
		http.Error(w, "This name is not served here.", http.StatusMisdirectedRequest)
		return
	}
	http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusPermanentRedirect)
}
