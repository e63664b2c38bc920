package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard says who may ask.
type guard struct {
	token string // "": anybody who reaches the address
	local bool   // it is a unix socket
}

// wrap lets those through who may ask.
func (g guard) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch {
		case g.token != "" && !g.shows(r):
			w.Header().Set("WWW-Authenticate", `Basic realm="gosrv metrics", charset="UTF-8"`)
			said(w, http.StatusUnauthorized, "metrics_token is wanted: as Authorization: Bearer TOKEN, or as the password")
		case g.token == "" && !g.local && !isAddress(r.Host):
			// A name would let any page in a browser on this machine read what is here, by a
			// name of its own that means 127.0.0.1 (DNS rebinding).
			said(w, http.StatusForbidden, "ask by address, as http://127.0.0.1, or set metrics_token")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// shows tells whether a request has the token.
func (g guard) shows(r *http.Request) bool {
	given, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		_, given, found = r.BasicAuth()
	}
	want, have := sha256.Sum256([]byte(g.token)), sha256.Sum256([]byte(given))
	return found && subtle.ConstantTimeCompare(want[:], have[:]) == 1
}

// trusts tells whether who asks may see what clients have asked for.
func (g guard) trusts(*http.Request) bool { return g.local || g.token != "" }

// isAddress tells whether a Host header is an address, or means this machine anyway.
func isAddress(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	_, err = netip.ParseAddr(name)
	return err == nil || name == "localhost"
}
