package tlsio

// Hello is what the first bytes of a connection are.
type Hello uint8

const (
	HelloPartial Hello = iota // more must come before a handshake is worth a stack
	HelloWhole                // the first record is here, and looks like a ClientHello
	HelloPlain                // not TLS: most likely plain HTTP
	HelloForeign              // TLS that cannot be: a record that is no handshake, or too long
)

// recordHead is a record's type, version and length (RFC 8446 5.1).
const recordHead = 5

// handshakeRecord is the type of a record that belongs to a handshake.
const handshakeRecord = 22

// maxRecord is the longest a plain record may be.
const maxRecord = 1 << 14

// Inspect judges the bytes that a connection has sent. A client that says nothing, or half
// a ClientHello, costs its bytes and no goroutine.
func Inspect(b []byte) Hello {
	if len(b) == 0 {
		return HelloPartial
	}
	if b[0] != handshakeRecord {
		if b[0] >= 20 && b[0] <= 24 || b[0] >= 0x80 { // another record, or SSL 2
			return HelloForeign
		}
		return HelloPlain
	}
	if len(b) >= 2 && b[1] != 3 {
		return HelloForeign
	}
	if len(b) < recordHead {
		return HelloPartial
	}
	n := int(b[3])<<8 | int(b[4])
	switch {
	case n == 0 || n > maxRecord:
		return HelloForeign
	case len(b) < recordHead+n:
		return HelloPartial
	}
	return HelloWhole
}

// Begins tells whether the bytes are the beginning of a TLS connection.
func Begins(b []byte) bool { return len(b) > 0 && b[0] == handshakeRecord }
