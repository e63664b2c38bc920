package response

import (
	"bytes"

	"gosrv/wsgi/http1"
)

// Page is an answer of the server's own: head and body, ready to be sent.
type Page struct {
	Text    []byte // all of it
	HeadLen int    // bytes of Text before the body
}

// AppendPage writes the error page of a status into dst. The Page's Text is dst
// and what follows; for HEAD it has no body.
func AppendPage(dst []byte, status int, date []byte, head bool) Page {
	text := http1.AppendError(dst, status, date)
	n := bytes.Index(text, []byte("\r\n\r\n")) + len("\r\n\r\n")
	if head {
		text = text[:n]
	}
	return Page{text, n}
}

// BodyLen is the number of bytes of the page's body.
func (p *Page) BodyLen() int64 { return int64(len(p.Text) - p.HeadLen) }
