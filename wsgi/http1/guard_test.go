package http1

import (
	"testing"

	"gosrv/wsgi/http1/proxyproto"

	"golang.org/x/sys/unix"
)

// guarded copies b so that it ends where a page without access begins: reading one byte too far is a fault.
func guarded(t *testing.T, b []byte) []byte {
	t.Helper()
	page := unix.Getpagesize()
	size := (len(b)/page + 1) * page
	mem, err := unix.Mmap(-1, 0, size+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(mem) })
	if err := unix.Mprotect(mem[size:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	out := mem[size-len(b) : size : size]
	copy(out, b)
	return out
}

func TestNothingIsReadBeyondTheInput(t *testing.T) {
	for _, c := range corpus(t) {
		for cut := max(0, len(c.raw)-64); cut <= len(c.raw); cut++ {
			b := guarded(t, []byte(c.raw[:cut]))
			var r Request
			if c.policy.Parse(b, &r) == nil && r.Chunked {
				var chunks ChunkReader
				chunks.Reset(&c.policy)
				drain(&chunks, b[r.HeadLen:])
			}
			_, _, _ = proxyproto.Parse(proxyproto.Auto, b)
			_ = ValidValue(b)
		}
	}
}

// drain decodes src to its end and returns the body, and whether it was complete.
func drain(c *ChunkReader, src []byte) (body []byte, rest int, done bool, err error) {
	for at := 0; ; {
		data, n, state, err := c.Next(src[at:])
		if err != nil {
			return body, at, false, err
		}
		body = append(body, data.Of(src[at:])...)
		at += n
		if state != Data {
			return body, at, state == Done, nil
		}
	}
}
