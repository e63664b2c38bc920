package web

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"net/http"
)

//go:embed page.html
var page []byte

// servePage gives the page. It loads nothing from anywhere, and its own style and
// script run by a number that is new each time.
func servePage(w http.ResponseWriter, _ *http.Request) {
	nonce := rand.Text()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+nonce+"'; script-src 'nonce-"+nonce+
		"'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	_, _ = w.Write(bytes.ReplaceAll(page, []byte("NONCE"), []byte(nonce))) // a client that has gone needs no page
}
