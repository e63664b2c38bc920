package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// streaming are settings under which bodies are read as they come.
func streaming() Settings {
	set := testSettings()
	set.StreamBody = true
	return set
}

// Read is wsgi.input as C sees it.
func (r *fakeRequest) Read(p []byte) (int, error) {
	for {
		n := 0
		if r.stream != 0 {
			n = r.app.w.streams.Read(r.stream, p)
		} else if n = copy(p, r.body); n > 0 {
			r.body = r.body[n:]
		}
		switch {
		case n > 0:
			return n, nil
		case n == 0:
			return 0, io.EOF
		case n != -int(unix.EINTR):
			return 0, unix.Errno(-n)
		}
	}
}

// take reads n bytes of the body.
func (r *fakeRequest) take(n int) string {
	b := make([]byte, n)
	n, _ = io.ReadFull(r, b)
	return string(b[:n])
}

// echo answers with the body, read to its end.
func echo(r *fakeRequest) fakeReply {
	b, err := io.ReadAll(r)
	if err != nil {
		return fakeReply{fail: 1}
	}
	r.body = string(b)
	return hello(r)
}

const (
	streamedLength  = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
	streamedChunked = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
)

// streamed are both framings of "first-second" in the two parts that are sent.
var streamed = map[string][2]string{
	"length":  {fmt.Sprintf(streamedLength, 12) + "first-", "second"},
	"chunked": {streamedChunked + "6\r\nfirst-\r\n", "6;x=y\r\nsecond\r\n0\r\nT: x\r\n\r\n"},
}

func TestApplicationReadsTheBodyAsItComes(t *testing.T) {
	began := make(chan string)
	s := serveFake(t, streaming(), func(r *fakeRequest) fakeReply {
		if r.method == "GET" {
			return hello(r)
		}
		first := r.take(6)
		began <- first
		r.body = first + r.take(100)
		r.stream = 0
		return hello(r)
	})
	for name, parts := range streamed {
		t.Run(name, func(t *testing.T) {
			c := s.dial()
			for range 3 {
				c.send(parts[0])
				if got := <-began; got != "first-" {
					t.Fatalf("the application read %q", got)
				}
				c.send(parts[1] + get("/next"))
				wantAnswer(c, "POST /x first-second")
				wantAnswer(c, "GET /next ")
			}
		})
	}
}

func TestStreamedBodyFedByteByByte(t *testing.T) {
	s := serveFake(t, streaming(), echo)
	for name, parts := range streamed {
		t.Run(name, func(t *testing.T) {
			c := s.dial()
			for range 2 {
				for _, b := range []byte(parts[0] + parts[1] + get("/next")) {
					c.send(string(b))
				}
				wantAnswer(c, "POST /x first-second")
				wantAnswer(c, "GET /next ")
			}
		})
	}
}

func TestStreamedBodiesOfEverySizeArrive(t *testing.T) {
	s := serveFake(t, streaming(), echo)
	c := s.dial()
	for _, n := range []int{1, 100, 16 << 10, 17 << 10, 128 << 10, 200 << 10, 3 << 20} {
		text := strings.Repeat("0123456789abcdef", n/16+1)[:n]
		for _, request := range []string{
			fmt.Sprintf(streamedLength, n) + text,
			streamedChunked + chunked(text, 5000) + "0\r\n\r\n",
			streamedChunked + chunked(text, 100_000) + "0\r\n\r\n",
		} {
			go io.WriteString(c, request+get("/next"))
			c.head()
			if got := c.body(len("POST /x ") + n); got != "POST /x "+text {
				t.Fatalf("a body of %d bytes came back changed", n)
			}
			wantAnswer(c, "GET /next ")
		}
	}
}

// A long head leaves chunks no room in the first buffer.
func TestChunksBehindALongHead(t *testing.T) {
	s := serveFake(t, streaming(), echo)
	c := s.dial()
	text := strings.Repeat("x", 300_000)
	for _, n := range []int{8_000, 8_080, 8_150} {
		head := strings.TrimSuffix(streamedChunked, "\r\n") + "A: " + strings.Repeat("a", 8_000) + "\r\nB: " + strings.Repeat("b", n) + "\r\n\r\n"
		go io.WriteString(c, get("/before")+head+chunked(text, 7000)+"0\r\n\r\n"+get("/next"))
		wantAnswer(c, "GET /before ")
		wantAnswer(c, "POST /x "+text)
		wantAnswer(c, "GET /next ")
	}
}

func TestContinueLeavesAtTheFirstRead(t *testing.T) {
	entered, free := make(chan bool), make(chan bool)
	s := serveFake(t, streaming(), func(r *fakeRequest) fakeReply {
		if r.path == "/wait" {
			entered <- true
			<-free
		}
		return echo(r)
	})
	const head = "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
	c := s.dial()
	c.send(head)
	<-entered
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) // only time shows that nothing comes
	if b, err := c.r.Peek(1); err == nil {
		t.Errorf("%q before the first read", b)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	free <- true
	if got := c.head(); got != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Errorf("got %q", got)
	}
	c.send("body")
	wantAnswer(c, "POST /wait body")

	// A client that has not waited is not asked.
	for range 2 {
		c.send(head)
		<-entered
		c.send("body")
		waitFor(t, func() bool { return s.unread(c) > 0 }) // it is in the server's socket
		free <- true
		wantAnswer(c, "POST /wait body")
	}
	c.send(strings.Replace(head, "/wait", "/here", 1) + "body")
	wantAnswer(c, "POST /here body")
}

// unread is how much of what the client has sent lies in the server's socket.
func (s *server) unread(c *client) int {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		s.t.Fatal(err)
	}
	at := func(sa unix.Sockaddr, err error) string {
		if in, ok := sa.(*unix.SockaddrInet4); ok && err == nil {
			return fmt.Sprintf("127.0.0.1:%d", in.Port)
		}
		return ""
	}
	for _, entry := range open {
		fd, _ := strconv.Atoi(entry.Name())
		if at(unix.Getpeername(fd)) == c.LocalAddr().String() && at(unix.Getsockname(fd)) == s.addr {
			n, _ := unix.IoctlGetInt(fd, unix.SIOCINQ)
			return n
		}
	}
	return 0
}

// The application's own slowness is not the client's.
func TestTimeOfABodyCountsWhileItIsWaitedFor(t *testing.T) {
	set := streaming()
	set.Body = 200 * time.Millisecond
	begun, sent := make(chan bool), make(chan bool)
	s := serveFake(t, set, func(r *fakeRequest) fakeReply {
		got := r.take(5)
		begun <- true
		<-sent
		time.Sleep(set.Body + 20*time.Millisecond) // only time can make it late
		return fakeReply{status: "200 OK", body: []byte(got + r.take(5))}
	})
	c := s.dial()
	c.send(fmt.Sprintf(streamedLength, 12) + "abcde")
	<-begun
	c.send("fghijkl")
	sent <- true
	if c.head(); c.body(10) != "abcdefghij" {
		t.Error("the body was cut")
	}
}

func TestStreamKeepsItsPace(t *testing.T) {
	set := streaming()
	set.Body = 100 * time.Millisecond
	fault := make(chan error, 1)
	s := serveFake(t, set, func(r *fakeRequest) fakeReply {
		_, err := io.ReadAll(r)
		fault <- err
		return fakeReply{fail: 1}
	})
	c := s.dial()
	c.send(fmt.Sprintf(streamedLength, 10_000))
	go func() {
		for range 1000 { // never silent for long, and much too slow
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	if err := <-fault; !errors.Is(err, unix.ETIMEDOUT) {
		t.Errorf("got %v", err)
	}
}

// A generator reads while its answer is on its way, in pieces that are too much
// for the socket now and then.
func TestGeneratorReadsTheBodyOfItsRequest(t *testing.T) {
	s := serveFake(t, streaming(), func(r *fakeRequest) fakeReply {
		if r.method == "GET" {
			return hello(r)
		}
		return fakeReply{status: "200 OK", next: func(int) ([]byte, bool) {
			b := make([]byte, 50_000)
			n, err := r.Read(b)
			return b[:n], err == nil
		}}
	})
	text := strings.Repeat("0123456789abcdef", 1<<18)
	for name, request := range map[string]string{
		"length":  fmt.Sprintf(streamedLength, len(text)) + text,
		"chunked": streamedChunked + chunked(text, 60_000) + "0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := s.dial()
			sent := make(chan bool)
			go func() {
				defer close(sent)
				_, _ = io.WriteString(c, request)
			}()
			c.head()
			var got strings.Builder
			for {
				var size int
				line, _ := c.r.ReadString('\n')
				if _, err := fmt.Sscanf(line, "%x", &size); err != nil {
					t.Fatalf("chunk %q: %v", line, err)
				}
				got.WriteString(c.body(size))
				if c.body(2); size == 0 {
					break
				}
			}
			if <-sent; got.String() != text {
				t.Error("the body came back changed")
			}
		})
	}
}

// A call that is given up is closed without waiting for more of the body.
func TestCloseDoesNotWaitForABodyThatIsGivenUp(t *testing.T) {
	set := streaming()
	set.Write = 50 * time.Millisecond
	told := make(chan error, 1)
	s := serveFake(t, set, func(r *fakeRequest) fakeReply {
		if r.method == "GET" {
			return hello(r)
		}
		return fakeReply{status: "200 OK", next: func(int) ([]byte, bool) { return make([]byte, 60_000), true }, closed: func() {
			_, err := io.ReadAll(r)
			told <- err
		}}
	})
	c := s.dial()
	c.send(fmt.Sprintf(streamedLength, 100) + "abc")
	c.head()
	if err := <-told; !errors.Is(err, unix.ECANCELED) {
		t.Errorf("close() read with %v", err)
	}
	other := s.dial()
	other.send(get("/"))
	wantAnswer(other, "GET / ")
}

// A thread of the application may read; when the call ends under it, it must
// not touch the connection again.
func TestReadingBeyondTheCall(t *testing.T) {
	told := make(chan error, 1)
	s := serveFake(t, streaming(), func(r *fakeRequest) fakeReply {
		if r.method == "GET" {
			return hello(r)
		}
		reading := make(chan bool)
		go func() {
			if got := r.take(3); got != "abc" {
				t.Errorf("read %q", got)
			}
			close(reading)
			_, err := io.ReadAll(r)
			told <- err
		}()
		<-reading
		return fakeReply{status: "200 OK"}
	})
	c := s.dial()
	for range 2 {
		c.send(fmt.Sprintf(streamedLength, 6) + "abc")
		c.head()
		c.send("def" + get("/next"))
		wantAnswer(c, "GET /next ")
		// It may have been quick enough to see the end.
		if err := <-told; err != nil && !errors.Is(err, unix.ECANCELED) {
			t.Errorf("the thread got %v", err)
		}
	}
}

func TestThreadsReadBodiesAsTheyCome(t *testing.T) {
	for name, f := range map[string]func(*testing.T){
		"as it comes":   TestApplicationReadsTheBodyAsItComes,
		"byte by byte":  TestStreamedBodyFedByteByByte,
		"every size":    TestStreamedBodiesOfEverySizeArrive,
		"continue":      TestContinueLeavesAtTheFirstRead,
		"unread":        TestUnreadRestOfABodyIsDropped,
		"much unread":   TestMuchUnreadBodyEndsTheConnection,
		"broken":        TestReadingABrokenBodyFails,
		"generator":     TestGeneratorReadsTheBodyOfItsRequest,
		"given up":      TestCloseDoesNotWaitForABodyThatIsGivenUp,
		"beyond":        TestReadingBeyondTheCall,
		"malformed end": TestMalformedRestIsNotAnswered,
	} {
		t.Run(name, func(t *testing.T) { withThreads(t, f) })
	}
}

// One slow upload holds its thread and no other.
func TestSlowUploadDelaysNoOtherThread(t *testing.T) {
	withThreads(t, func(t *testing.T) {
		s := serveFake(t, streaming(), echo)
		slow := []*client{s.dial(), s.dial(), s.dial()}
		for _, c := range slow {
			c.send(fmt.Sprintf(streamedLength, 4) + "ab")
		}
		other := s.dial()
		for i := range 50 {
			other.send(get(fmt.Sprint("/", i)))
			wantAnswer(other, fmt.Sprintf("GET /%d ", i))
		}
		for _, c := range slow {
			c.send("cd")
			wantAnswer(c, "POST /x abcd")
		}
	})
}
