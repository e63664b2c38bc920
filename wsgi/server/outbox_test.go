package server

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/answer"
	"gosrv/wsgi/loop"
)

// eventBatch makes a worker find the requests of all clients in one batch of events:
// it is inside a call for the first one while the others send theirs.
type eventBatch struct {
	*server
	clients []*client
	entered chan bool
	gate    chan bool
}

// batchOf starts a worker and connects n clients. handle answers what comes after
// the gate.
func batchOf(t *testing.T, n int, handle func(*fakeRequest) fakeReply) *eventBatch {
	b := &eventBatch{entered: make(chan bool), gate: make(chan bool)}
	b.server = serveFake(t, testSettings(), func(r *fakeRequest) fakeReply {
		switch r.path {
		case "/gate":
			b.entered <- true
			<-b.gate
		case "/":
		case "/warm":
			compute()
		default:
			compute()
			return handle(r)
		}
		return hello(r)
	})
	for range n {
		c := b.dial()
		c.send(get("/")) // accepted, and in the epoll set
		wantAnswer(c, "GET / ")
		b.clients = append(b.clients, c)
	}
	for range 8 { // until such calls are the rule
		b.clients[0].send(get("/warm"))
		wantAnswer(b.clients[0], "GET /warm ")
	}
	return b
}

// compute takes as long as a call whose answer may wait.
func compute() {
	for end := loop.Now() + answer.LongCall; loop.Now() < end; {
	}
}

// send has the requests come in one batch, in the order of the clients.
func (b *eventBatch) send(requests ...string) {
	first := b.dial()
	first.send(get("/gate"))
	<-b.entered
	for i, text := range requests {
		b.clients[i].send(text)
	}
	b.gate <- true
	wantAnswer(first, "GET /gate ")
}

func TestAnswersOfOneBatchLeaveTogether(t *testing.T) {
	var b *eventBatch
	waiting := make(chan int, 4) // answers, when the application is called
	b = batchOf(t, 4, func(r *fakeRequest) fakeReply {
		waiting <- b.outbox.Size()
		return hello(r)
	})
	for range 20 { // unless the machine takes longer than keptFor
		b.send(get("/1"), get("/2"), get("/3"), get("/4"))
		for i, c := range b.clients {
			wantAnswer(c, "GET /"+string(rune('1'+i))+" ")
		}
		if together := <-waiting <= 1; <-waiting == 1 && <-waiting == 2 && <-waiting == 3 && together {
			return
		}
		for len(waiting) > 0 {
			<-waiting
		}
	}
	t.Error("the answers of a batch never waited for each other")
}

// A request stays in memory as long as its answer waits: 64 uploads in one batch would want 64 buffers
// of a size of which the pool keeps few, and took twice the time for it.
func TestAnswersToLargeRequestsLeaveAtOnce(t *testing.T) {
	var b *eventBatch
	waiting := make(chan int, 4) // answers, when the application is called
	b = batchOf(t, 4, func(r *fakeRequest) fakeReply {
		waiting <- b.outbox.Size()
		r.body = ""
		return hello(r)
	})
	upload := "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n" + strings.Repeat("x", 65536)
	for range 3 { // the first of each client is read like any request
		b.send(upload, upload, upload, upload)
		for _, c := range b.clients {
			wantAnswer(c, "POST /up ")
			if n := <-waiting; n > 0 {
				t.Errorf("%d answers wait when the next upload is served", n)
			}
		}
	}
}

func TestRequestsOfOneBatchAreReadBeforeTheFirstIsServed(t *testing.T) {
	var b *eventBatch
	read := make(chan int, 1) // connections whose requests are in the buffer, when the first is served
	b = batchOf(t, 4, func(r *fakeRequest) fakeReply {
		if r.path == "/1" {
			n := 0
			for _, c := range b.conns {
				if c != nil && c.In.Len() > 0 {
					n++
				}
			}
			read <- n
		}
		return hello(r)
	})
	for range 3 { // those that were read ahead are served once, and can go on
		b.send(get("/1"), get("/2"), get("/3"), get("/4"))
		for i, c := range b.clients {
			wantAnswer(c, "GET /"+string(rune('1'+i))+" ")
		}
		if n := <-read; n != 4 {
			t.Errorf("%d requests were read when the first was served, not 4", n)
		}
	}
}

// A client that has asked, and one that has left, while others of the batch wait.
func TestReadingAheadMeetsTheEndOfAConnection(t *testing.T) {
	b := batchOf(t, 3, hello)
	first := b.dial()
	first.send(get("/gate"))
	<-b.entered
	b.clients[0].send(get("/1"))
	b.clients[1].Close()
	b.clients[2].send(get("/3") + get("/4"))
	b.gate <- true
	wantAnswer(first, "GET /gate ")
	wantAnswer(b.clients[0], "GET /1 ")
	wantAnswer(b.clients[2], "GET /3 ")
	wantAnswer(b.clients[2], "GET /4 ")
}

// What one client gets does not depend on how long the application takes for another.
func TestLongCallKeepsNoAnswerBack(t *testing.T) {
	var b *eventBatch
	come := make(chan bool)
	b = batchOf(t, 3, func(r *fakeRequest) fakeReply {
		if r.path == "/2" {
			<-come
		}
		return hello(r)
	})
	b.send(get("/1"), get("/2"), get("/3"))
	wantAnswer(b.clients[0], "GET /1 ")
	come <- true
	wantAnswer(b.clients[1], "GET /2 ")
	wantAnswer(b.clients[2], "GET /3 ")
	for _, c := range b.clients { // and all can go on
		c.send(get("/again"))
		wantAnswer(c, "GET /again ")
	}
}

func TestKeptAnswerOfAClientThatLeaves(t *testing.T) {
	var b *eventBatch
	b = batchOf(t, 3, func(r *fakeRequest) fakeReply {
		if r.path == "/2" {
			b.clients[0].Conn.(*net.TCPConn).SetLinger(0)
			b.clients[0].Close()
		}
		return hello(r)
	})
	b.send(get("/1"), get("/2"), get("/3"))
	wantAnswer(b.clients[1], "GET /2 ")
	wantAnswer(b.clients[2], "GET /3 ")
	b.clients[1].send(get("/again"))
	wantAnswer(b.clients[1], "GET /again ")
}

// A socket without room takes its answer when the client reads.
func TestKeptAnswersMeetAFullSocket(t *testing.T) {
	text := strings.Repeat("x", answer.KeptSize-1000)
	b := batchOf(t, 2, func(r *fakeRequest) fakeReply {
		_ = unix.SetsockoptInt(r.conn, unix.SOL_SOCKET, unix.SO_SNDBUF, 1)
		return fakeReply{status: "200 OK", headers: []string{"Content-Type: text/plain"}, body: []byte(text)}
	})
	c := b.clients[0]
	raw, _ := c.Conn.(*net.TCPConn).SyscallConn()
	_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1) })
	const rounds = 3
	for range rounds {
		b.send(get("/1"), get("/2"))
		wantAnswer(b.clients[1], text)
	}
	for range rounds {
		wantAnswer(c, text)
	}
}

// close() runs while the answer waits. When it raises, the answer leaves all the same.
func TestCloseThatRaisesBehindAKeptAnswer(t *testing.T) {
	b := batchOf(t, 3, func(r *fakeRequest) fakeReply {
		if r.path == "/2" {
			return fakeReply{status: "200 OK", headers: []string{"Content-Length: 3"}, next: stream("end"), fail: 2}
		}
		return hello(r)
	})
	b.send(get("/1"), get("/2"), get("/3"))
	wantAnswer(b.clients[0], "GET /1 ")
	wantAnswer(b.clients[2], "GET /3 ")
	b.clients[0].send(get("/again"))
	wantAnswer(b.clients[0], "GET /again ")
}

// The backup loop settles what has left while the main thread is in a long call:
// the next request of such a client goes to a worker that has time.
func TestClientsOfKeptAnswersGoOnElsewhere(t *testing.T) {
	m := newMarket(t)
	var busy *server
	entered, gate := make(chan bool), make(chan bool)
	busy = m.worker(func(r *fakeRequest) fakeReply {
		switch r.path {
		case "/gate", "/long":
			entered <- true
			<-gate
		case "/1":
			compute()
		}
		return hello(r)
	})
	var elsewhere atomic.Int64
	first, long, c := busy.dial(), busy.dial(), busy.dial()
	for _, x := range []*client{first, long, c} {
		x.send(get("/"))
		wantAnswer(x, "GET / ")
	}
	for range 8 {
		c.send(get("/1"))
		wantAnswer(c, "GET /1 ")
	}
	first.send(get("/gate"))
	<-entered
	c.send(get("/1"))
	long.send(get("/long"))
	gate <- true
	<-entered
	wantAnswer(c, "GET /1 ")
	m.worker(served(&elsewhere))
	c.send(get("/next"))
	waitFor(t, func() bool { return elsewhere.Load() == 1 })
	gate <- true
	wantAnswer(long, "GET /long ")
}
