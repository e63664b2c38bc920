package answer

import (
	"fmt"
	"strings"
	"testing"

	"gosrv/wsgi/http1"
	"gosrv/wsgi/response"
)

// However much of a batch has left, what is left is counted without its frames.
func TestBodyIsCountedWithoutItsFrames(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n\r\n"
	sizes := []int{1, 20, 300}
	for _, chunked := range []bool{true, false} {
		whole, isBody := []byte(head), make([]bool, len(head))
		mark := func(text string, body bool) {
			whole = append(whole, text...)
			for range text {
				isBody = append(isBody, body)
			}
		}
		for _, n := range sizes {
			if chunked {
				mark(fmt.Sprintf("%x\r\n", n), false)
			}
			mark(strings.Repeat("\r", n), true)
			if chunked {
				mark("\r\n", false)
			}
		}
		if chunked {
			mark(http1.LastChunk, false)
		}
		frame, left := response.Framing{Chunked: chunked}, outgoing{whole: whole, ahead: len(head)}
		for from := range len(whole) + 1 {
			want := int64(0)
			for _, body := range isBody[from:] {
				if body {
					want++
				}
			}
			left.segs[0] = whole[from:]
			if got := left.body(&frame); got != want {
				t.Fatalf("chunked %v: %d bytes of body in %q, want %d", chunked, got, whole[from:], want)
			}
		}
		left.segs = [3][]byte{append(whole[:len(head):len(head)], "ff\r\n"...), make([]byte, 255), []byte("\r\n")}
		if left.whole = left.segs[0]; chunked && left.body(&frame) != 255 {
			t.Errorf("%d bytes of 255 that lie elsewhere", left.body(&frame))
		}
	}
}
