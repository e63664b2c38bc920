package http1

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
