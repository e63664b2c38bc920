package accesslog

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// sink is a descriptor that takes whole lines. Several workers share the file or pipe behind it, so what goes out in
// one write(2) has to be such that the kernel does not mix it with theirs.
type sink struct {
	fd     int
	atomic int  // most bytes that one write(2) keeps together
	torn   bool // the last write ended in the middle of a line
}

const (
	pipeBuf   = 4096      // PIPE_BUF: writes up to this are not mixed with others' in a pipe
	fileWrite = 256 << 10 // O_APPEND keeps a write to a file together whatever its size
)

// newSink takes fd over.
func newSink(fd int) *sink {
	s := &sink{fd: fd, atomic: pipeBuf}
	var stat unix.Stat_t
	if unix.Fstat(fd, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFREG {
		s.atomic = fileWrite
	}
	return s
}

func (s *sink) close() {
	if s.fd > 2 {
		unix.Close(s.fd)
	}
}

// write sends lines, of which there are count, in pieces that end where lines end. On an error it gives up and says how
// many lines did not go out.
func (s *sink) write(lines []byte, count uint64) (lost uint64, err error) {
	for len(lines) > 0 {
		piece := lines[:s.pieceLen(lines)]
		if s.torn {
			if _, err := s.send([]byte{'\n'}); err != nil {
				return count, err
			}
			s.torn = false
		}
		n, err := s.send(piece)
		count -= uint64(bytes.Count(piece[:n], []byte{'\n'}))
		s.torn = err != nil && n > 0 && piece[n-1] != '\n'
		if err != nil {
			return count, err
		}
		lines = lines[len(piece):]
	}
	return count, nil
}

// pieceLen gives the length of the most whole lines that one write keeps together; a longer line goes alone.
func (s *sink) pieceLen(lines []byte) int {
	if len(lines) <= s.atomic {
		return len(lines)
	}
	if end := bytes.LastIndexByte(lines[:s.atomic], '\n'); end >= 0 {
		return end + 1
	}
	if end := bytes.IndexByte(lines, '\n'); end >= 0 {
		return end + 1
	}
	return len(lines)
}

// send writes all of piece, waiting where the descriptor does not block by itself, and says how much went out.
func (s *sink) send(piece []byte) (sent int, err error) {
	for sent < len(piece) {
		n, err := unix.Write(s.fd, piece[sent:])
		switch err {
		case nil:
			sent += n
		case unix.EINTR:
		case unix.EAGAIN:
			ready := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}
			if _, err := unix.Poll(ready, -1); err != nil && err != unix.EINTR {
				return sent, err
			}
		default:
			return sent, err
		}
	}
	return sent, nil
}
