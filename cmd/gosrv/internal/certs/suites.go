package certs

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// askSource prints the IANA numbers and names of what OpenSSL makes of a list of ciphers, or
// what it says against it: the language of that list is OpenSSL's own.
const askSource = `
import json, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
try:
    context.set_ciphers(sys.argv[1])
except ssl.SSLError as e:
    print(json.dumps({"error": getattr(e, "reason", None) or str(e)}))
else:
    print(json.dumps({"suites": [[c["id"] & 0xFFFF, c["name"]] for c in context.get_ciphers()]}))`

// askTimeout bounds the run of Python.
const askTimeout = 30 * time.Second

// Suites translates the ciphers setting into numbers, by the ssl module of the Python that
// serves. Those that Go does not have are left out; that none is left is an error.
func Suites(python, ciphers string) ([]uint16, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, python, "-I", "-c", askSource, ciphers).Output()
	if err != nil {
		return nil, fmt.Errorf("ciphers: asking the ssl module of %s: %s", python, lastWords(err))
	}
	var answer struct {
		Error  string  `json:"error"`
		Suites [][]any `json:"suites"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, fmt.Errorf("ciphers: asking the ssl module of %s: %w", python, err)
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("ciphers: OpenSSL does not understand %q: %s", ciphers, answer.Error)
	}
	return ours(ciphers, answer.Suites)
}

// ours keeps the suites of TLS 1.2 that Go has and holds for secure.
func ours(ciphers string, found [][]any) (suites []uint16, err error) {
	known := map[uint16]bool{}
	var names []string
	for _, s := range tls.CipherSuites() {
		if s.SupportedVersions[0] < tls.VersionTLS13 {
			known[s.ID] = true
			names = append(names, s.Name)
		}
	}
	var theirs []string
	for _, pair := range found {
		id, ok := pair[0].(float64)
		if ok && known[uint16(id)] {
			suites = append(suites, uint16(id))
		}
		if name, ok := pair[1].(string); ok && !strings.HasPrefix(name, "TLS_") { // those of 1.3 are always there
			theirs = append(theirs, name)
		}
	}
	if len(suites) == 0 {
		return nil, fmt.Errorf("ciphers: %q leaves none that gosrv has: it asks for %s; there are %s",
			ciphers, strings.Join(theirs, ", "), strings.Join(names, ", "))
	}
	return suites, nil
}

// lastWords is the last line that a failed program said, or the system's error.
func lastWords(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if lines := strings.Split(strings.TrimSpace(string(exit.Stderr)), "\n"); lines[len(lines)-1] != "" {
			return lines[len(lines)-1]
		}
	}
	return err.Error()
}
