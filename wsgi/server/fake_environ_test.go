package server

import (
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/call"
	"gosrv/wsgi/http1"
)

// fakeDescription stands for environ: what the access log asks for.
type fakeDescription struct {
	parsed       *http1.Request
	path, remote []byte
	blocks       [http1.BlockNumbers]int // how often each was described
}

// errFakeRefusal refuses requests with a field X-Refuse.
var errFakeRefusal = &http1.Error{Status: 400, Reason: "the application's side refuses it"}

func (f *fakeDescription) Describe(r *call.Request) *http1.Error {
	f.parsed = r.Parsed
	f.blocks[r.Block.Number]++
	f.path, f.remote = unescape(f.path[:0], r.Parsed.Path.Of(r.Head)), f.remote[:0]
	if peer := r.Client.Peer; peer.IsValid() {
		f.remote = peer.Addr().AppendTo(f.remote)
	}
	if f.field(r.Head, "x_refuse") != nil {
		return errFakeRefusal
	}
	return nil
}

// unescape appends text with %20 as what it stands for.
func unescape(b, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) && text[i+1] == '2' && text[i+2] == '0' {
			b = append(b, ' ')
			i += 2
			continue
		}
		b = append(b, text[i])
	}
	return b
}

func (f *fakeDescription) Path([]byte) []byte   { return f.path }
func (f *fakeDescription) Remote([]byte) []byte { return f.remote }

var fakeScheme = []byte("http")

func (f *fakeDescription) Served(head []byte, key string) []byte {
	switch key {
	case "wsgi.url_scheme":
		return fakeScheme
	case "remote_addr":
		return f.remote
	case "server_port":
		host := f.parsed.Host.Of(head)
		return host[strings.IndexByte(string(host), ':')+1:]
	}
	if name, is := strings.CutPrefix(key, "http_"); is {
		return f.field(head, name)
	}
	return nil
}

// field is the value of a header, by its name in an environ key.
func (f *fakeDescription) field(head []byte, name string) []byte {
	for i := range f.parsed.Headers {
		h := &f.parsed.Headers[i]
		sent := h.Name.Of(head)
		same := len(sent) == len(name)
		for j := 0; same && j < len(sent); j++ {
			c := sent[j] | 0x20
			if sent[j] == '-' {
				c = '_'
			}
			same = c == name[j]
		}
		if same {
			return h.Value.Of(head)
		}
	}
	return nil
}

// fakeOutbox sends as cgo/outbox.c does, a goroutine in the place of its thread.
type fakeOutbox struct {
	mu     sync.Mutex
	put    []fakeKept
	unsent []call.Unsent
}

type fakeKept struct {
	fd    int
	bytes []byte
	errno unix.Errno
}

func (o *fakeOutbox) Put(fd int, answer []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.put) == 64 {
		return false
	}
	o.put = append(o.put, fakeKept{fd: fd, bytes: append([]byte(nil), answer...)})
	if len(o.put) == 1 {
		time.AfterFunc(time.Millisecond, o.sendLate)
	}
	return true
}

// sendLate sends what still waits, and looks again as long as something does.
func (o *fakeOutbox) sendLate() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.put) > 0 {
		o.send()
		time.AfterFunc(time.Millisecond, o.sendLate)
	}
}

func (o *fakeOutbox) send() {
	for i := range o.put {
		k := &o.put[i]
		for len(k.bytes) > 0 && k.errno == 0 {
			n, err := unix.SendmsgN(k.fd, k.bytes, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
			if err == unix.EAGAIN {
				break
			}
			if err != nil {
				k.errno = err.(unix.Errno)
				break
			}
			k.bytes = k.bytes[n:]
		}
	}
}

func (o *fakeOutbox) Send(n int) []call.Unsent {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.send()
	o.unsent = o.unsent[:0]
	for _, k := range o.put[:n] {
		u := call.Unsent{Len: uint64(len(k.bytes)), Errno: int64(k.errno)}
		if len(k.bytes) > 0 {
			u.First = &k.bytes[0]
		}
		o.unsent = append(o.unsent, u)
	}
	o.put = o.put[:0]
	return o.unsent
}
