package body

import (
	"gosrv/wsgi/http1"
	"gosrv/wsgi/loop"
)

// End takes the reading of a connection back from the application. The leader
// calls it. What was received and not read is in the buffer again; size is how
// much of that belongs to the request.
func (st *Stream) End(in *loop.Buffer) (size int) {
	st.all.remove(st)
	st.Cancel()
	in.Truncate(st.end)
	return st.raw
}

// Outcome is what has come of a stream when its answer was sent: whole, or the
// rest may be discarded, or nothing more of it will come.
func (st *Stream) Outcome() (whole, failed bool) { return st.whole, st.fault != 0 }

// Discard drops what the buffer has of a body that nobody will read, after End.
// It reports whether that is all of it.
func (st *Stream) Discard(in *loop.Buffer) (whole bool, invalid *http1.Error) {
	if st.left >= 0 {
		n := min(st.left, int64(in.Len()))
		st.left -= n
		in.Consume(int(n))
		st.whole = st.left == 0
		return st.whole, nil
	}
	for in.Len() > 0 && !st.whole {
		_, used, state, err := st.chunk.Next(in.Unread())
		if err != nil {
			return false, err.(*http1.Error)
		}
		in.Consume(used)
		st.whole = state == http1.Done
	}
	return st.whole, nil
}
