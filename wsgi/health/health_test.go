package health

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"
)

func TestAnswersAreWhole(t *testing.T) {
	for _, state := range []State{Serving, Starting, Stopping} {
		for _, head := range []bool{false, true} {
			r := Reply{State: state, Date: []byte("Mon, 30 Nov 2026 17:00:00 GMT"), Kept: "Connection: keep-alive", Server: "Server: gosrv\r\n", Head: head}
			request := &http.Request{Method: map[bool]string{false: "GET", true: "HEAD"}[head]}
			b := bufio.NewReader(bytes.NewReader(r.Append(nil)))
			got, err := http.ReadResponse(b, request)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(got.Body)
			if err != nil || b.Buffered() > 0 {
				t.Fatal(err, b.Buffered())
			}
			if want := map[bool]string{false: words[state], true: ""}[head]; string(text) != want || got.ContentLength != int64(len(words[state])) {
				t.Errorf("%q with length %d, not %q", text, got.ContentLength, want)
			}
			if (got.StatusCode == 200) != (state == Serving) || got.Header.Get("Server") != "gosrv" {
				t.Errorf("%v: %+v", state, got)
			}
		}
	}
}

func TestOnlyAWholeQuestionIsOne(t *testing.T) {
	for text, want := range map[string]Asked{
		"": More, "GE": More, "GET /heal": More, "GET /healthz": More, "GET /healthz HTTP/1.1\r\nHost: a\r\n": More, "HEAD /h": More,
		"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n": Get, "GET /healthz HTTP/1.0\r\n\r\n": Get, "HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n": Head,
		"GET /healthz?from=lb HTTP/1.1\r\n\r\n": Get, "GET /healthzz HTTP/1.1\r\n\r\n": Other, "GET /other": Other, "POST /healthz HTTP/1.1\r\n\r\n": Other,
		"GET /healthz HTTP/2.0\r\n\r\n": Other, "PROXY TCP4 10.0.0.1": Other, "\x16\x03\x01": Other, "GET /healthz\r\n\r\n": Other,
	} {
		if got := Look([]byte(text), "/healthz"); got != want {
			t.Errorf("%q is %d, not %d", text, got, want)
		}
	}
}
