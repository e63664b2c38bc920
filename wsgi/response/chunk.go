package response

import (
	"bytes"
	"strconv"

	"gosrv/wsgi/http1"
)

// The ends of a chunk, as bytes that live for ever.
var (
	chunkEnd     = []byte(http1.ChunkEnd)
	lastChunk    = []byte(http1.LastChunk)
	lastChunkEnd = []byte(http1.ChunkEnd + http1.LastChunk)
)

// Frame appends to dst what stands before n bytes of body on the wire, and
// returns it with what stands behind them: nil, or bytes that nobody may
// change. last tells that no more of the body follows. The framing of what C
// puts together is the same (chunk_line in cgo).
func (f *Framing) Frame(dst []byte, n int, last bool) (before, behind []byte) {
	if !f.Chunked || f.NoBody {
		return dst, nil
	}
	if n > 0 {
		dst = http1.AppendChunkHeader(dst, n)
		if last {
			return dst, lastChunkEnd
		}
		return dst, chunkEnd
	}
	if last {
		return dst, lastChunk
	}
	return dst, nil
}

// Payload is how much of the body lies behind from in the framed pieces of
// whole, which begin behind ahead bytes of head.
func (f *Framing) Payload(whole []byte, ahead, from int) (n int64) {
	from = max(from, ahead)
	if !f.Chunked {
		return int64(len(whole) - from)
	}
	for at := ahead; at < len(whole); {
		line := bytes.IndexByte(whole[at:], '\r')
		size, err := strconv.ParseUint(string(whole[at:at+max(line, 0)]), 16, 31)
		if err != nil {
			break // it is only counted
		}
		data := at + line + len(http1.ChunkEnd)
		at = data + int(size) + len(http1.ChunkEnd)
		n += int64(max(0, min(data+int(size), len(whole))-max(data, from)))
	}
	return n
}
