package listen

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxPath is the longest path, in bytes, that a unix socket may be bound to: the kernel's 108 with a NUL behind it.
const maxPath = 107

// tooLong is the error for a path of so many bytes, where the system says "invalid argument".
type tooLong int

func (n tooLong) Error() string {
	return fmt.Sprintf("a unix socket's path may have %d bytes, this one has %d: bind a shorter one, or one relative to the working directory", maxPath, int(n))
}

// sockaddr is the path as the kernel knows it. To x/sys an '@' in front means an abstract socket; here, as in Gunicorn,
// it is the first letter of a file's name.
func sockaddr(path string) *unix.SockaddrUnix {
	if strings.HasPrefix(path, "@") {
		path = "./" + path
	}
	return &unix.SockaddrUnix{Name: path}
}

// pathOf is the reverse, for a name that x/sys has read: it shows abstract sockets with an '@' for their NUL. A file of
// such a name can only be an inherited socket of Gunicorn's.
func pathOf(name string) string {
	if rest, ours := strings.CutPrefix(name, "./@"); ours {
		return "@" + rest
	}
	rest, abstract := strings.CutPrefix(name, "@")
	if !abstract {
		return name
	}
	if st, err := os.Lstat(name); err == nil && st.Mode()&os.ModeSocket != 0 {
		return name
	}
	return "\x00" + rest
}

// shown is the path as bind takes it: an abstract socket's NUL is written \0.
func shown(path string) string { return strings.Replace(path, "\x00", `\0`, 1) }
