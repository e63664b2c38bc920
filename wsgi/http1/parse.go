package http1

// stage is the token that the scan is in.
type stage uint8

const (
	stageStart stage = iota // before the request line
	stageMethod
	stageTarget
	stageVersion
	stageField // first byte of a line after the request line
	stageName
	stageColon // SP and HTAB before the colon, StripHeaderSpaces only
	stageValue
	stageEnd  // all lines read
	stageDone // outcome delivered; the next call starts anew
)

const (
	maxBlank  = 2  // empty lines ignored before a request line (RFC 9112 section 2.2)
	minMethod = 3  // Gunicorn's bounds for a conventional method
	maxMethod = 20 //
	protoLen  = len("HTTP/1.1")
)

// Parse reads one request head from the start of buf. It returns nil with r filled, ErrPartial if the head is
// not complete, or an *Error. After ErrPartial call it again with the same r and a buffer that begins with the
// same bytes, wherever it lies now; call r.Reset first when starting with another head. Bytes after the head
// are not looked at. Parse writes to buf only for CasefoldMethod and PermitObsoleteFolding.
func (p *Policy) Parse(buf []byte, r *Request) error {
	if r.stage == stageDone || r.pos == 0 {
		r.Reset()
	}
	if err := p.firstLine(buf, r); err != nil {
		return err
	}
	return p.fieldLines(buf, r)
}

// firstLine is requestLine, with the scan ended by an error.
func (p *Policy) firstLine(buf []byte, r *Request) error {
	err := p.requestLine(buf, r)
	if err != nil && err != ErrPartial {
		r.HeadLen, r.stage = r.pos, stageDone
	}
	return err
}

// fieldLines reads what follows the request line and judges the whole head.
func (p *Policy) fieldLines(buf []byte, r *Request) error {
	if r.fields == 0 {
		r.fields = r.pos
	}
	var err error
	for err == nil && r.stage != stageEnd {
		err = p.fieldLine(buf, r)
	}
	if err == ErrPartial {
		return err
	}
	r.HeadLen, r.stage = r.pos, stageDone
	if err == nil {
		err = p.judge(buf, r)
	}
	if p.Stream {
		r.ofStream(buf)
	}
	return err
}

// requestLine goes through the stages of the request line from where the last call stopped.
func (p *Policy) requestLine(buf []byte, r *Request) error {
	switch r.stage {
	case stageStart:
		if err := p.start(buf, r); err != nil {
			return err
		}
		fallthrough
	case stageMethod:
		if err := p.method(buf, r); err != nil {
			return err
		}
		fallthrough
	case stageTarget:
		if err := p.target(buf, r); err != nil {
			return err
		}
		fallthrough
	case stageVersion:
		return p.version(buf, r)
	}
	return nil
}

// fieldLine goes through one stage of a field line.
func (p *Policy) fieldLine(buf []byte, r *Request) error {
	switch r.stage {
	case stageField:
		return p.field(buf, r)
	case stageName:
		return p.name(buf, r)
	case stageColon:
		return p.colon(buf, r)
	default:
		return p.value(buf, r)
	}
}

// start skips the empty lines that old clients send after a body.
func (p *Policy) start(buf []byte, r *Request) error {
	for r.pos < len(buf) && buf[r.pos] == '\r' {
		if r.blank == maxBlank {
			return errLeadingLines
		}
		if err := lineEnd(buf, r.pos); err != nil {
			return err
		}
		r.pos += 2
		r.blank++
	}
	if r.pos == len(buf) {
		return ErrPartial
	}
	r.stage, r.line, r.mark = stageMethod, r.pos, r.pos
	return nil
}

// lineEnd checks for CRLF at i, where buf[i] is known to be CR.
func lineEnd(buf []byte, i int) error {
	if i+1 >= len(buf) {
		return ErrPartial
	}
	if buf[i+1] != '\n' {
		return errLineEnd
	}
	return nil
}

// lineLimit is the offset that no byte of the request line may reach.
func (p *Policy) lineLimit(r *Request) int {
	limit := p.headSize() - len("\r\n\r\n")
	if p.RequestLine > 0 && r.line+p.RequestLine < limit {
		limit = r.line + p.RequestLine
	}
	return limit
}

// method scans to the SP after the method. Limits are positions, judged before what stands there, so that the
// outcome does not depend on how much of the input has arrived.
func (p *Policy) method(buf []byte, r *Request) error {
	limit, kind := p.lineLimit(r), uint8(isMethod)
	if p.PermitMethod {
		kind = isToken
	}
	i := skip(buf, r.pos, min(len(buf), limit), kind)
	r.pos = i
	switch n := i - r.mark; {
	case n > maxMethod && !p.PermitMethod:
		return errMethodLong
	case i >= limit:
		return errLineTooLong
	case i == len(buf):
		return ErrPartial
	case buf[i] != ' ':
		return errMethodChar
	case n == 0 || n < minMethod && !p.PermitMethod:
		return errMethodShort
	}
	r.Method = span(r.mark, i)
	if p.CasefoldMethod {
		upper(buf[r.mark:i])
	}
	r.pos, r.mark, r.stage = i+1, i+1, stageTarget
	return nil
}

func upper(b []byte) {
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - ('a' - 'A')
		}
	}
}

// target scans to the SP after the request target and takes it apart.
func (p *Policy) target(buf []byte, r *Request) error {
	limit := p.lineLimit(r)
	i := skipTarget(buf, r.pos, min(len(buf), limit))
	r.pos = i
	switch {
	case i >= limit:
		return errLineTooLong
	case i == len(buf):
		return ErrPartial
	case buf[i] == '\r':
		return errVersionAbsent
	case buf[i] != ' ':
		return errTargetChar
	case i == r.mark:
		return errTargetEmpty
	}
	r.Target = span(r.mark, i)
	if err := p.splitTarget(buf, r); err != nil {
		return err
	}
	r.pos, r.mark, r.stage = i+1, i+1, stageVersion
	return nil
}

// version reads HTTP/DIGIT.DIGIT and the end of the request line.
func (p *Policy) version(buf []byte, r *Request) error {
	const form = "HTTP/0.0\r\n"
	if r.mark+protoLen > p.lineLimit(r) {
		return errLineTooLong
	}
	got := buf[r.mark:min(len(buf), r.mark+len(form))]
	if string(got) != "HTTP/1.1\r\n" {
		for i, c := range got {
			if c != form[i] && (form[i] != '0' || class[c]&isDigit == 0) {
				return errVersion
			}
		}
	}
	if len(got) < len(form) {
		return ErrPartial
	}
	r.Proto = span(r.mark, r.mark+protoLen)
	r.Major, r.Minor = got[5]-'0', got[7]-'0'
	if r.Major != 1 && !p.PermitVersion && !p.Stream {
		return errVersionMajor
	}
	r.pos += len(form)
	r.stage = stageField
	return nil
}
