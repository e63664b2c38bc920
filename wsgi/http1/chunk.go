package http1

// ChunkState says what a call of ChunkReader.Next has come to.
type ChunkState uint8

// States of a chunked body.
const (
	NeedMore ChunkState = iota // all of src is consumed and the body goes on
	Data                       // a piece of the body; call again with the rest of src
	Done                       // the body is complete; what follows is the next request
)

// maxExcess bounds what a body may spend on extensions and leading zeros, in bytes over all chunks.
const maxExcess = 16 << 10

// chunkStage is the token that a ChunkReader is in. The names follow RFC 9112 section 7.1.
type chunkStage uint8

const (
	chunkStart    chunkStage = iota // first digit of a size
	chunkDigits                     // further digits
	chunkBlank                      // BWS before ';'
	chunkExt                        // BWS before an extension's name
	chunkExtName                    //
	chunkExtBlank                   // BWS after the name: '=' or ';' must come
	chunkExtEqual                   // BWS after '='
	chunkExtValue                   // token
	chunkQuoted                     // quoted-string
	chunkEscape                     // after a backslash in it
	chunkUnquoted                   // after it
	chunkExtEnd                     // BWS after a value: ';' must come
	chunkLF                         // LF of the size line
	chunkData                       //
	chunkDataCR                     // CRLF after the data
	chunkDataLF                     //
	trailerStart                    // first byte of a trailer line
	trailerName                     //
	trailerValue                    //
	trailerLF                       // LF of a trailer line
	trailerEndLF                    // LF of the last line
	chunkDone                       //
)

// ChunkReader takes the chunked coding off a request body (RFC 9112 section 7.1). It is strict: CRLF everywhere,
// no blanks but before and inside extensions, extensions well formed and bounded, trailers held to the header
// rules, then dropped. Call Reset first.
type ChunkReader struct {
	policy *Policy
	stage  chunkStage
	size   uint64 // of this chunk; what is left of it in chunkData
	digits int    // leading zeros included
	excess int    // bytes spent on extensions and surplus digits, all chunks

	trailers  int      // trailer lines
	lineSize  int      // bytes of this trailer line
	trailSize int      // bytes of all trailer lines
	nameLen   int      // of this trailer's name
	name      [20]byte // its first bytes
}

// Reset prepares for a new body. The policy's limits on fields bound the trailers.
func (c *ChunkReader) Reset(p *Policy) { *c = ChunkReader{policy: p} }

// Next decodes from the start of src up to and including the next piece of body, which lies in src at data.
// consumed bytes of src are finished with. With NeedMore consumed is len(src); with Data and Done the caller
// goes on at src[consumed:]. After an error the reader is spent.
func (c *ChunkReader) Next(src []byte) (data Span, consumed int, state ChunkState, err error) {
	for i := 0; i < len(src); i++ {
		if c.stage == chunkData {
			n := len(src) - i
			if uint64(n) > c.size {
				n = int(c.size)
			}
			if c.size -= uint64(n); c.size == 0 {
				c.stage = chunkDataCR
			}
			return span(i, i+n), i + n, Data, nil
		}
		if e := c.step(src[i]); e != nil {
			return Span{}, i, NeedMore, e
		}
		if c.stage == chunkDone {
			return Span{}, i + 1, Done, nil
		}
	}
	return Span{}, len(src), NeedMore, nil
}

// step takes one byte of framing.
func (c *ChunkReader) step(b byte) *Error {
	switch {
	case c.stage >= trailerStart:
		return c.trailer(b)
	case c.stage >= chunkLF:
		return c.lineEnds(b)
	case c.stage <= chunkBlank:
		return c.sizeByte(b)
	}
	if c.excess++; c.excess > maxExcess {
		return errChunkExcess
	}
	return c.extension(b)
}

// sizeByte reads the size up to CR or the first ';'.
func (c *ChunkReader) sizeByte(b byte) *Error {
	switch {
	case c.stage != chunkBlank && class[b]&isHex != 0:
		return c.digit(b)
	case c.stage == chunkStart:
		return errChunkSize
	case b == '\r' && c.stage == chunkDigits:
		c.stage = chunkLF
	case b == ';':
		c.stage = chunkExt
	case b == ' ' || b == '\t':
		c.stage = chunkBlank
		if c.excess++; c.excess > maxExcess {
			return errChunkExcess
		}
	default:
		return errChunkSize
	}
	return nil
}

// digit adds a digit to the size, which stays below 2^63.
func (c *ChunkReader) digit(b byte) *Error {
	if c.stage == chunkStart {
		c.size, c.digits, c.stage = 0, 0, chunkDigits
	}
	if c.size >= 1<<59 {
		return errChunkOverflow
	}
	c.size = c.size<<4 | uint64(hexDigit(b))
	if c.digits++; c.digits > 16 {
		if c.excess++; c.excess > maxExcess {
			return errChunkExcess
		}
	}
	return nil
}

// lineEnds checks the LF of a size line and the CRLF after the data.
func (c *ChunkReader) lineEnds(b byte) *Error {
	want, next := byte('\n'), chunkStart
	switch {
	case c.stage == chunkDataCR:
		want, next = '\r', chunkDataLF
	case c.stage == chunkLF && c.size == 0:
		next = trailerStart
	case c.stage == chunkLF:
		next = chunkData
	}
	if b == want {
		c.stage = next
		return nil
	}
	if c.stage == chunkLF {
		return errChunkSize
	}
	return errChunkEnd
}

// extension checks one byte of chunk-ext (RFC 9112 section 7.1.1). Its meaning is nobody's here, but what is not
// well formed is read differently by others.
func (c *ChunkReader) extension(b byte) *Error {
	switch c.stage {
	case chunkQuoted:
		return c.quoted(b)
	case chunkEscape:
		return c.advance(class[b]&isValue != 0, chunkQuoted)
	case chunkExtEqual:
		if b == '"' {
			c.stage = chunkQuoted
			return nil
		}
	}
	switch {
	case class[b]&isToken != 0:
		return c.extToken()
	case b == ' ' || b == '\t':
		return c.extBlank()
	case b == '=':
		return c.advance(c.stage == chunkExtName || c.stage == chunkExtBlank, chunkExtEqual)
	case b == ';':
		return c.advance(c.stage != chunkExt && c.stage != chunkExtEqual, chunkExt)
	case b == '\r':
		return c.advance(c.stage == chunkExtName || c.stage == chunkExtValue || c.stage == chunkUnquoted, chunkLF)
	}
	return errChunkExt
}

// advance moves to next if ok.
func (c *ChunkReader) advance(ok bool, next chunkStage) *Error {
	if !ok {
		return errChunkExt
	}
	c.stage = next
	return nil
}

func (c *ChunkReader) quoted(b byte) *Error {
	switch b {
	case '"':
		c.stage = chunkUnquoted
	case '\\':
		c.stage = chunkEscape
	default:
		return c.advance(class[b]&isValue != 0, chunkQuoted)
	}
	return nil
}

func (c *ChunkReader) extToken() *Error {
	switch c.stage {
	case chunkExt, chunkExtName:
		c.stage = chunkExtName
	case chunkExtEqual, chunkExtValue:
		c.stage = chunkExtValue
	default:
		return errChunkExt
	}
	return nil
}

func (c *ChunkReader) extBlank() *Error {
	switch c.stage {
	case chunkExtName:
		c.stage = chunkExtBlank
	case chunkExtValue, chunkUnquoted:
		c.stage = chunkExtEnd
	}
	return nil
}
