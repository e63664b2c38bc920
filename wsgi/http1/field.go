package http1

// whole reads field lines as long as they are complete, ordinary and within limits, without leaving its
// registers. What is not, it leaves to the stages, which know why.
func (p *Policy) whole(buf []byte, r *Request) {
	i, limit, size, room := r.pos, p.headSize()-len("\r\n\r\n"), p.FieldSize, p.Fields-len(r.Headers)
	for p.Fields <= 0 || room > 0 {
		var l *line
		if r.Lines != nil && len(buf)-i >= lineProbe {
			at := place(buf[i:])
			if l = &r.Lines.slot[at]; l.begins(buf[i:]) {
				if end := i + int(l.n); end-len("\r\n") > limit || size > 0 && int(l.n) > size {
					break
				}
				r.Headers = append(r.Headers, l.header(i, 1+uint16(at)))
				r.line = i
				i += int(l.n)
				room--
				continue
			}
		}
		colon := skipToken(buf, i)
		if colon == i || colon >= len(buf) || buf[colon] != ':' {
			break
		}
		from := colon + 1
		if from < len(buf) && buf[from] == ' ' {
			from++
		}
		if from < len(buf) && buf[from] <= ' ' {
			from = skipBlank(buf, from, len(buf))
		}
		end := skipValue(buf, from, len(buf))
		if end+1 >= len(buf) || buf[end] != '\r' || buf[end+1] != '\n' || end > limit || size > 0 && end-i > size-len("\r\n") {
			break
		}
		last := end
		for last > from && (buf[last-1] == ' ' || buf[last-1] == '\t') {
			last--
		}
		r.Headers = append(r.Headers, Header{Name: span(i, colon), Value: span(from, last)})
		r.line = i
		if end += len("\r\n"); l != nil {
			r.Lines.note(l, buf[i:end], &r.Headers[len(r.Headers)-1])
		}
		i = end
		room--
	}
	r.pos = i
}

// field looks at the first byte of a line: the end of the head, a continuation, or a name.
func (p *Policy) field(buf []byte, r *Request) error {
	p.whole(buf, r)
	i := r.pos
	if i >= len(buf) {
		return ErrPartial
	}
	switch c := buf[i]; {
	case c == '\r':
		if err := lineEnd(buf, i); err != nil {
			return err
		}
		r.pos, r.stage = i+2, stageEnd
		return nil
	case c == ' ' || c == '\t':
		if len(r.Headers) == 0 {
			return errFieldSpace
		}
		if !p.PermitObsoleteFolding {
			return errFold
		}
		r.mark, r.folding, r.stage = i, true, stageValue
		return nil
	case p.Fields > 0 && len(r.Headers) >= p.Fields:
		return errTooMany
	}
	r.line, r.mark, r.folding, r.stage = i, i, false, stageName
	return nil
}

// fieldLimit is the offset at which the CR of the field must stand at the latest.
func (p *Policy) fieldLimit(r *Request) int {
	limit := p.headSize() - len("\r\n\r\n")
	if p.FieldSize > 0 {
		limit = min(limit, r.line+p.FieldSize-len("\r\n"))
	}
	return limit
}

// tooLarge names the limit that was hit.
func (p *Policy) tooLarge(r *Request) error {
	if p.FieldSize > 0 && r.line+p.FieldSize < p.headSize() {
		return errFieldTooLarge
	}
	return errHeadTooLarge
}

// name scans to the colon.
func (p *Policy) name(buf []byte, r *Request) error {
	limit := p.fieldLimit(r)
	i := skip(buf, r.pos, min(len(buf), limit+1), isToken)
	r.pos = i
	switch {
	case i > limit:
		return p.tooLarge(r)
	case i == len(buf):
		return ErrPartial
	case i == r.mark && buf[i] == ':':
		return errNameEmpty
	case buf[i] == ':':
		r.open(i, i)
		return nil
	case buf[i] == '\r':
		return errNoColon
	case buf[i] != ' ' && buf[i] != '\t' || i == r.mark:
		return errNameChar
	case !p.StripHeaderSpaces:
		return errNameSpace
	}
	r.Headers = append(r.Headers, Header{Name: span(r.mark, i)})
	r.stage = stageColon
	return nil
}

// open begins the value of a header whose name ends at end and whose colon stands at colon.
func (r *Request) open(end, colon int) {
	r.Headers = append(r.Headers, Header{Name: span(r.mark, end)})
	r.pos, r.mark, r.stage = colon+1, colon+1, stageValue
}

// colon skips the whitespace that StripHeaderSpaces allows.
func (p *Policy) colon(buf []byte, r *Request) error {
	limit := p.fieldLimit(r)
	i := skipBlank(buf, r.pos, min(len(buf), limit+1))
	r.pos = i
	switch {
	case i > limit:
		return p.tooLarge(r)
	case i == len(buf):
		return ErrPartial
	case buf[i] != ':':
		return errNameSpace
	}
	r.pos, r.mark, r.stage = i+1, i+1, stageValue
	return nil
}

func skipBlank(buf []byte, i, end int) int {
	for i < end && (buf[i] == ' ' || buf[i] == '\t') {
		i++
	}
	return i
}

// value scans to the end of the line and stores the trimmed value.
func (p *Policy) value(buf []byte, r *Request) error {
	limit := p.fieldLimit(r)
	end := min(len(buf), limit+1)
	if r.pos == r.mark {
		r.mark = skipBlank(buf, r.mark, end)
		r.pos = r.mark
	}
	i := skipValue(buf, r.pos, end)
	r.pos = i
	switch {
	case i > limit:
		return p.tooLarge(r)
	case i == len(buf):
		return ErrPartial
	case buf[i] == '\n':
		return errLineEnd
	case buf[i] != '\r':
		return errValueChar
	}
	if err := lineEnd(buf, i); err != nil {
		return err
	}
	last := i
	for last > r.mark && (buf[last-1] == ' ' || buf[last-1] == '\t') {
		last--
	}
	h := &r.Headers[len(r.Headers)-1]
	if r.folding {
		unfold(buf, h, r.mark, last, i)
	} else {
		h.Value = span(r.mark, last)
	}
	r.pos, r.stage = i+2, stageField
	return nil
}

// unfold appends the continuation buf[from:to] to the value of h after one SP. The rest of the line up to the
// CR at end becomes SP, so that the buffer still reads as the same head.
func unfold(buf []byte, h *Header, from, to, end int) {
	at := int(h.Value.Off + h.Value.Len)
	if from < to {
		if h.Value.Len > 0 {
			buf[at] = ' '
			at++
		}
		at += copy(buf[at:], buf[from:to])
		h.Value.Len = uint32(at) - h.Value.Off
	}
	for ; at < end; at++ {
		buf[at] = ' '
	}
}
