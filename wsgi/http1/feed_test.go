package http1

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
)

// gunicorn has Gunicorn's default limits; the rest is strict.
var gunicorn = Policy{RequestLine: 4094, Fields: 100, FieldSize: 8190}

// message is one request as an application would see it.
type message struct {
	method, target, version string
	headers                 [][2]string
	body                    string
}

// exchange is what came of the bytes of one connection.
type exchange struct {
	requests   []message
	err        *Error // the refusal that ended it
	closed     bool   // the last request ended it
	unfinished bool   // the peer stopped within a request
}

// connection reads requests from pieces of input as a server does, moving its buffer at every step.
type connection struct {
	p      *Policy
	r      Request
	chunks ChunkReader
	buf    []byte
	body   []byte
	inBody bool
	left   int64
	got    exchange
}

// feed gives input to a fresh connection, cut as cuts says.
func feed(p *Policy, pieces ...[]byte) exchange {
	c := connection{p: p}
	for _, piece := range pieces {
		if c.got.err != nil || c.got.closed {
			break
		}
		c.buf = append(append(make([]byte, 0, len(c.buf)+len(piece)), c.buf...), piece...)
		for c.got.err == nil && !c.got.closed && c.step() {
		}
	}
	c.got.unfinished = c.got.err == nil && !c.got.closed && (c.inBody || !c.r.Idle())
	return c.got
}

// step reads one head or one piece of body; false = more input is needed, or there is an end.
func (c *connection) step() bool {
	if c.inBody {
		return c.readBody()
	}
	if err := c.p.Parse(c.buf, &c.r); err != nil {
		errors.As(err, &c.got.err)
		return false
	}
	c.body, c.inBody, c.left = c.body[:0], true, max(c.r.ContentLength, 0)
	c.chunks.Reset(c.p)
	m := message{method: string(c.r.Method.Of(c.buf)), target: string(c.r.Target.Of(c.buf)), version: string(c.r.Proto.Of(c.buf))}
	for _, h := range c.r.Headers {
		m.headers = append(m.headers, [2]string{string(h.Name.Of(c.buf)), string(h.Value.Of(c.buf))})
	}
	c.got.requests = append(c.got.requests, m)
	c.buf = c.buf[c.r.HeadLen:]
	return true
}

func (c *connection) readBody() bool {
	if !c.r.Chunked {
		n := min(c.left, int64(len(c.buf)))
		c.body = append(c.body, c.buf[:n]...)
		c.buf, c.left = c.buf[n:], c.left-n
		if c.left > 0 {
			return false
		}
		return c.complete()
	}
	data, n, state, err := c.chunks.Next(c.buf)
	if err != nil {
		errors.As(err, &c.got.err)
		c.got.requests = c.got.requests[:len(c.got.requests)-1]
		return false
	}
	c.body = append(c.body, data.Of(c.buf)...)
	c.buf = c.buf[n:]
	if state == Done {
		return c.complete()
	}
	return state == Data
}

func (c *connection) complete() bool {
	c.got.requests[len(c.got.requests)-1].body = string(c.body)
	c.inBody = false
	c.got.closed = !c.r.KeepAlive
	return true
}

// everyWay feeds raw whole, byte by byte and, if it is short, split at every offset; all must come to the same.
func everyWay(t *testing.T, p *Policy, raw string) exchange {
	t.Helper()
	whole := feed(p, []byte(raw))
	var bytewise [][]byte
	for i := range len(raw) {
		bytewise = append(bytewise, []byte(raw[i:i+1]))
	}
	same(t, "byte by byte", raw, whole, feed(p, bytewise...))
	if len(raw) <= 1500 {
		for i := range len(raw) {
			same(t, fmt.Sprintf("split at %d", i), raw, whole, feed(p, []byte(raw[:i]), []byte(raw[i:])))
		}
	}
	return whole
}

func same(t *testing.T, how, raw string, want, got exchange) {
	t.Helper()
	if !reflect.DeepEqual(want, got) {
		t.Fatalf("%s: %q\ngot  %+v\nwant %+v", how, raw, got, want)
	}
}
