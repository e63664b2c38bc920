package wsgi

import "gosrv/wsgi/response"

// outgoing is what the socket has not taken of an answer.
type outgoing struct {
	segs   [3][]byte // head, chunk size or framed pieces; data; chunk end
	whole  []byte    // of which segs[0] is the end
	ahead  int       // bytes of head in whole
	shared bool      // segs lie in the thread's buffers
}

// set lays out what is to be sent: whole from a position on, data, and what ends
// it. ahead bytes of whole are head. They lie in the thread's buffers.
func (o *outgoing) set(whole []byte, ahead, from int, data, end []byte) {
	*o = outgoing{segs: [3][]byte{whole[from:], data, end}, whole: whole, ahead: ahead, shared: true}
}

// setOwn lays out data that nobody else has.
func (o *outgoing) setOwn(data []byte) { *o = outgoing{segs: [3][]byte{nil, data, nil}} }

// clear forgets what is left.
func (o *outgoing) clear() { *o = outgoing{} }

// size is the number of bytes that are left.
func (o *outgoing) size() int { return len(o.segs[0]) + len(o.segs[1]) + len(o.segs[2]) }

// onlyFirst tells that there is nothing but the end of whole.
func (o *outgoing) onlyFirst() bool { return len(o.segs[1])+len(o.segs[2]) == 0 }

// took removes n sent bytes from the front.
func (o *outgoing) took(n int) {
	for i := range o.segs {
		k := min(n, len(o.segs[i]))
		o.segs[i] = o.segs[i][k:]
		n -= k
	}
}

// keep copies what lies in the thread's buffers, so that they can be used for
// others. lent: data is Python's, and stays where it is.
func (o *outgoing) keep(lent bool) {
	if !o.shared {
		return
	}
	left := len(o.segs[0])
	o.whole = append([]byte(nil), o.whole...)
	o.segs[0] = o.whole[len(o.whole)-left:]
	if !lent {
		o.segs[1] = append([]byte(nil), o.segs[1]...)
	}
	o.shared = false
}

// body is how much of the body is left.
func (o *outgoing) body(f *response.Framing) int64 {
	n := int64(len(o.segs[1]))
	if left := len(o.segs[0]); left > 0 {
		n += f.Payload(o.whole, o.ahead, len(o.whole)-left)
	}
	return n
}
