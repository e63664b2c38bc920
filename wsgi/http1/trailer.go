package http1

// forbidden are the fields that RFC 9110 section 6.5.1 keeps out of trailers: framing, routing, request modifiers,
// authentication, content coding. Content-Type is let pass because clients and Gunicorn's tests send it; trailers
// are dropped in any case.
var forbidden = [...]string{
	"host", "content-length", "transfer-encoding", "trailer", "te", "authorization", "proxy-authorization",
	"connection", "keep-alive", "upgrade", "expect", "cookie", "content-encoding", "content-range",
}

// trailer takes one byte of the trailer section: field lines as in a head, without its leniencies.
func (c *ChunkReader) trailer(b byte) *Error {
	if c.lineSize++; c.policy.FieldSize > 0 && c.lineSize > c.policy.FieldSize {
		return errFieldTooLarge
	}
	if c.trailSize++; c.trailSize > c.policy.headSize() {
		return errHeadTooLarge
	}
	switch c.stage {
	case trailerStart:
		return c.trailerLine(b)
	case trailerName:
		return c.trailerName(b)
	case trailerValue:
		switch {
		case b == '\r':
			c.stage = trailerLF
		case class[b]&isValue == 0:
			return errValueChar
		}
		return nil
	}
	if b != '\n' {
		return errLineEnd
	}
	if c.stage == trailerEndLF {
		c.stage = chunkDone
	} else {
		c.stage = trailerStart
	}
	c.lineSize = 0
	return nil
}

// trailerLine looks at the first byte of a line.
func (c *ChunkReader) trailerLine(b byte) *Error {
	switch {
	case b == '\r':
		c.stage = trailerEndLF
		return nil
	case b == ' ' || b == '\t':
		return errFold
	case b == ':':
		return errNameEmpty
	}
	if c.trailers++; c.policy.Fields > 0 && c.trailers > c.policy.Fields {
		return errTooMany
	}
	c.nameLen, c.stage = 0, trailerName
	return c.trailerName(b)
}

// trailerName keeps as much of the name as it takes to know a forbidden one.
func (c *ChunkReader) trailerName(b byte) *Error {
	if b == ':' {
		c.stage = trailerValue
		for _, f := range forbidden {
			if c.nameLen == len(f) && EqualFold(c.name[:c.nameLen], f) {
				return errTrailer
			}
		}
		return nil
	}
	if class[b]&isToken == 0 {
		return errNameChar
	}
	if c.nameLen < len(c.name) {
		c.name[c.nameLen] = b
	}
	c.nameLen++
	return nil
}
