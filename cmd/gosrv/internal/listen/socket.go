package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/ipc/workerctl"
)

// Options are the settings that shape a socket.
type Options struct {
	Backlog   int
	Umask     int  // for unix sockets: mode 0777 less these bits
	UID, GID  int  // owner of unix sockets; -1 leaves it
	ReusePort bool // SO_REUSEPORT
}

// Socket is one listening socket.
type Socket struct {
	FD     int                // owned; non-blocking, CLOEXEC
	Bound  workerctl.Listener // where it listens really (port 0 replaced)
	Asked  Addr
	unlink bool // the path is ours to remove
	dev    uint64
	ino    uint64 // of the path as we made it
}

// ErrLive means that a server answers on the unix socket's path.
var ErrLive = errors.New("a server is listening there")

// Open binds and listens. Errors wrap the errno, ErrLive, or a *net.DNSError.
func Open(a Addr, o Options) (*Socket, error) {
	switch a.Kind {
	case FD:
		return adopt(a)
	case Unix:
		return openUnix(a, o)
	}
	return openTCP(a, o)
}

func openTCP(a Addr, o Options) (*Socket, error) {
	sa, family, err := resolve(a)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making socket: %w", err)
	}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil && o.ReusePort {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}
	if err == nil {
		// Inherited by accepted sockets: answers leave at once.
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil {
		err = unix.Bind(fd, sa)
	}
	return finish(fd, a, o, err)
}

// Beside binds one more socket to the address of a TCP socket, for another
// worker. Whoever serves it first makes it listen: only then does the kernel
// put connections there.
func Beside(s *Socket) (*Socket, error) {
	sa, err := unix.Getsockname(s.FD)
	if err != nil {
		return nil, fmt.Errorf("reading socket address: %w", err)
	}
	family := unix.AF_INET
	if _, six := sa.(*unix.SockaddrInet6); six {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making socket: %w", err)
	}
	// The first one may come from a server that was started without the setting.
	err = unix.SetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	for _, option := range [][3]int{{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}, {unix.SOL_SOCKET, unix.SO_REUSEPORT, 1}, {unix.IPPROTO_TCP, unix.TCP_NODELAY, 1}} {
		if err == nil {
			err = unix.SetsockoptInt(fd, option[0], option[1], option[2])
		}
	}
	if err == nil {
		err = unix.Bind(fd, sa)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("binding one more socket to %s: %w", s.Asked, err)
	}
	return &Socket{FD: fd, Bound: s.Bound, Asked: s.Asked}, nil
}

// Listens tells whether the socket takes connections.
func (s *Socket) Listens() bool {
	on, err := unix.GetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return err == nil && on != 0
}

// resolve finds what to bind. A name means its first IPv4 address, as with
// Gunicorn, which binds names with AF_INET.
func resolve(a Addr) (unix.Sockaddr, int, error) {
	host := a.Host
	if host == "" {
		host = "0.0.0.0"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		addr, err := net.ResolveIPAddr("ip4", host)
		if err != nil {
			return nil, 0, fmt.Errorf("looking up %s: %w", host, err)
		}
		ip, _ = netip.AddrFromSlice(addr.IP.To4())
	}
	if ip.Is4() {
		return &unix.SockaddrInet4{Port: a.Port, Addr: ip.As4()}, unix.AF_INET, nil
	}
	sa := &unix.SockaddrInet6{Port: a.Port, Addr: ip.As16()}
	if zone := ip.Zone(); zone != "" {
		dev, err := net.InterfaceByName(zone)
		if err != nil {
			return nil, 0, fmt.Errorf("interface %s: %w", zone, err)
		}
		sa.ZoneId = uint32(dev.Index)
	}
	return sa, unix.AF_INET6, nil
}

func openUnix(a Addr, o Options) (*Socket, error) {
	abstract := a.Path[0] == 0
	if len(a.Path) > maxPath {
		return nil, tooLong(len(a.Path))
	}
	if !abstract {
		if err := clearPath(a.Path); err != nil {
			return nil, err
		}
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making socket: %w", err)
	}
	// The mode must be right from the first moment: chmod afterwards would
	// leave a gap. Only the master's loop makes files at this time.
	old := unix.Umask(o.Umask)
	err = unix.Bind(fd, sockaddr(a.Path))
	unix.Umask(old)
	if err == nil && !abstract && (o.UID >= 0 || o.GID >= 0) {
		err = unix.Lchown(a.Path, o.UID, o.GID)
	}
	s, err := finish(fd, a, o, err)
	if err != nil || abstract {
		return s, err
	}
	s.own()
	return s, nil
}

// clearPath removes a socket that nobody listens on, and nothing else.
func clearPath(path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s is not a socket", quote(path))
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("making socket: %w", err)
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, sockaddr(path)); err {
	case unix.ECONNREFUSED:
		return os.Remove(path)
	case nil, unix.EAGAIN: // EAGAIN: it listens, its queue is full
		return ErrLive
	default:
		return fmt.Errorf("trying %s: %w", path, err)
	}
}

// adopt takes over an inherited descriptor.
func adopt(a Addr) (*Socket, error) {
	on, err := unix.GetsockoptInt(a.FD, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", a.FD, err)
	}
	if err := unix.SetNonblock(a.FD, true); err != nil {
		return nil, err
	}
	unix.CloseOnExec(a.FD)
	if on == 0 {
		if err := unix.Listen(a.FD, 2048); err != nil {
			return nil, fmt.Errorf("descriptor %d: %w", a.FD, err)
		}
	}
	bound, err := boundTo(a.FD)
	if err != nil {
		return nil, err
	}
	return &Socket{FD: a.FD, Bound: bound, Asked: a}, nil
}

// finish listens and reads back the address; it closes fd on any error.
func finish(fd int, a Addr, o Options, err error) (*Socket, error) {
	if err == nil {
		err = unix.Listen(fd, o.Backlog)
	}
	var bound workerctl.Listener
	if err == nil {
		bound, err = boundTo(fd)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &Socket{FD: fd, Bound: bound, Asked: a}, nil
}

func boundTo(fd int) (workerctl.Listener, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return workerctl.Listener{}, fmt.Errorf("reading socket address: %w", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return workerctl.Listener{Kind: TCP, Host: netip.AddrFrom4(sa.Addr).String(), Port: sa.Port}, nil
	case *unix.SockaddrInet6:
		return workerctl.Listener{Kind: TCP, Host: netip.AddrFrom16(sa.Addr).String(), Port: sa.Port}, nil
	case *unix.SockaddrUnix:
		return workerctl.Listener{Kind: Unix, Path: pathOf(sa.Name)}, nil
	}
	return workerctl.Listener{}, errors.New("neither a TCP nor a unix socket")
}

// Close closes the socket and, if remove is set, removes the path it was bound
// to, unless another server has taken the path over since.
func (s *Socket) Close(remove bool) {
	_ = unix.Close(s.FD)
	if !remove || !s.unlink {
		return
	}
	var st unix.Stat_t
	if unix.Lstat(s.Asked.Path, &st) == nil && st.Dev == s.dev && st.Ino == s.ino {
		_ = os.Remove(s.Asked.Path)
	}
}

// Peer is the address of a client as accept gives it; the zero value for a unix socket.
func Peer(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
