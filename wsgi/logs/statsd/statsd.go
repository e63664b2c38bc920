// Package statsd sends Gunicorn's metrics: names, types and tags are its own, several in one
// datagram with newlines between them.
package statsd

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"gosrv/wsgi/ipc/metrics"
	"gosrv/wsgi/logs/queue"
)

const (
	interval = 100 * time.Millisecond // how long metrics come together after some were sent
	datagram = 1432                   // bytes: what an Ethernet frame takes of UDP
	queued   = 1 << 16                // requests that wait to be formatted
)

// Client measures and counts. Nothing is sent on the caller's time, and what a server does not
// take is lost, as datagrams are. All methods may be called from any goroutine.
type Client struct {
	network, target string
	prefix, tags    string
	queue           *queue.Queue[batch]

	// The goroutine's own.
	conn  net.Conn
	tried time.Time
	buf   []byte
}

// batch is what waits together, as much as queued of each.
type batch struct {
	requests []request
	waits    []metrics.Times
	others   []string // formatted, without prefix and tags
}

type request struct {
	duration time.Duration
	status   int
}

// New makes a client for the statsd_host setting (HOST:PORT, [V6]:PORT, unix://PATH) with
// statsd_prefix and dogstatsd_tags. It connects when there is something to send.
func New(host, prefix, tags string) *Client {
	c := &Client{prefix: dotted(prefix)}
	c.network, c.target = address(host)
	if tags != "" {
		c.tags = "|#" + tags
	}
	c.queue = queue.New(interval, c.send)
	c.queue.Start()
	return c
}

// dotted ends a prefix in one dot. Gunicorn leaves a single character as it is.
func dotted(prefix string) string {
	if len(prefix) < 2 {
		return prefix
	}
	return strings.TrimRight(prefix, ".") + "."
}

// address reads a validated statsd_host; the port is 8125 if it is missing.
func address(host string) (network, target string) {
	if path, found := strings.CutPrefix(host, "unix:"); found {
		if _, err := strconv.Atoi(path); err != nil {
			return "unixgram", filePath(strings.TrimPrefix(path, "//"))
		}
	}
	host = strings.TrimPrefix(host, "tcp://")
	name, port := host, ""
	if inner, after, found := strings.Cut(host, "]"); found {
		name, port = strings.TrimPrefix(inner, "["), strings.TrimPrefix(after, ":")
	} else if n := strings.Count(host, ":"); n == 1 {
		name, port, _ = strings.Cut(host, ":")
	}
	if port == "" {
		port = "8125"
	}
	return "udp", net.JoinHostPort(name, port)
}

// filePath keeps package net from taking a leading '@' for an abstract socket: Gunicorn connects to a file of that name.
func filePath(path string) string {
	if strings.HasPrefix(path, "@") {
		return "./" + path
	}
	return path
}

// Request reports one that was answered. Beyond a bound of waiting ones it is not counted.
func (c *Client) Request(duration time.Duration, status int) {
	waiting, _ := c.queue.Lock()
	if len(waiting.requests) < queued {
		waiting.requests = append(waiting.requests, request{duration, status})
	}
	c.queue.Unlock(true)
}

// Waits reports what a request waited for, beyond what Gunicorn does.
func (c *Client) Waits(times *metrics.Times) {
	waiting, _ := c.queue.Lock()
	if len(waiting.waits) < queued {
		waiting.waits = append(waiting.waits, *times)
	}
	c.queue.Unlock(true)
}

// Add adds to a counter.
func (c *Client) Add(name string, n uint64) { c.add(name + ":" + strconv.FormatUint(n, 10) + "|c") }

// Count adds one to a counter, such as gunicorn.log.error.
func (c *Client) Count(name string) { c.add(name + ":1|c|@1.0") }

// Gauge sets a gauge, such as gunicorn.workers.
func (c *Client) Gauge(name string, value int) { c.add(name + ":" + strconv.Itoa(value) + "|g") }

// Histogram adds a value to a histogram, such as gunicorn.backlog.
func (c *Client) Histogram(name string, value int) { c.add(name + ":" + strconv.Itoa(value) + "|h") }

func (c *Client) add(metric string) {
	waiting, _ := c.queue.Lock()
	if len(waiting.others) < queued {
		waiting.others = append(waiting.others, metric)
	}
	c.queue.Unlock(true)
}

// Close sends what waits. After most it gives up.
func (c *Client) Close(most time.Duration) { c.queue.Close(most) }

// send is the goroutine's: it sends a batch and empties it.
func (c *Client) send(b *batch, last bool) bool {
	sent := len(b.requests)+len(b.waits)+len(b.others) > 0
	for _, r := range b.requests {
		c.put("gunicorn.request.duration:" + milliseconds(r.duration) + "|ms")
		c.put("gunicorn.requests:1|c|@1.0")
		c.put(fmt.Sprintf("gunicorn.request.status.%d:1|c|@1.0", r.status))
	}
	for i := range b.waits {
		for _, p := range metrics.Phases {
			if took := b.waits[i][p]; took >= 0 {
				c.put("gosrv.request." + p.String() + ":" + milliseconds(time.Duration(took)) + "|ms")
			}
		}
	}
	for _, metric := range b.others {
		c.put(metric)
	}
	c.flush()
	*b = batch{requests: b.requests[:0], waits: b.waits[:0]}
	if last && c.conn != nil {
		c.conn.Close()
	}
	return sent
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d/time.Microsecond)/1000, 'f', -1, 64)
}

// put adds a metric to the datagram, which leaves when it is full.
func (c *Client) put(metric string) {
	if len(c.buf) > 0 {
		if len(c.buf)+1+len(c.prefix)+len(metric)+len(c.tags) > datagram {
			c.flush()
		} else {
			c.buf = append(c.buf, '\n')
		}
	}
	c.buf = append(append(append(c.buf, c.prefix...), metric...), c.tags...)
}

// flush sends the datagram. A server that is not there yet is looked for once a second.
func (c *Client) flush() {
	if len(c.buf) == 0 {
		return
	}
	if c.conn == nil && time.Since(c.tried) >= time.Second {
		c.tried = time.Now()
		if conn, err := net.DialTimeout(c.network, c.target, time.Second); err == nil {
			c.conn = conn
		}
	}
	if c.conn != nil {
		_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, err := c.conn.Write(c.buf)
		switch {
		case err == nil:
		case c.network == "udp": // the error is of the datagram before
			_, _ = c.conn.Write(c.buf)
		default: // the server was started again: its socket is another one
			c.conn.Close()
			c.conn = nil
		}
	}
	c.buf = c.buf[:0]
}
