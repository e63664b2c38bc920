package listen

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// handed gives the descriptor of a socket as an upgrade hands it over.
func handed(t *testing.T, network, address string) (int, net.Addr) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	l.Close()
	return fd, l.Addr()
}

func open(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

func TestInheritMatchesSocketsToAddresses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	tcp, bound := handed(t, "tcp", "127.0.0.1:0")
	other, _ := handed(t, "tcp", "127.0.0.1:0")
	unixFD, _ := handed(t, "unix", path)
	port := bound.(*net.TCPAddr).Port
	asked := []Addr{{Kind: Unix, Path: path}, {Kind: TCP, Host: "localhost", Port: port}, {Kind: TCP, Host: "127.0.0.1", Port: 1}}
	set, _ := Inherit([]int{tcp, other, unixFD}, asked)
	if len(set) != 2 || set.find(asked[1]).FD != tcp || set.find(asked[0]).FD != unixFD {
		t.Fatalf("got %v", set)
	}
	if open(other) {
		t.Error("a socket that bind does not name stays open")
	}
	set.Leave(nil)
	if _, err := os.Stat(path); err != nil {
		t.Error("Leave must not remove the path of the other master")
	}
}

func TestInheritedPathIsRemovedInTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, _ := handed(t, "unix", path)
	set, _ := Inherit([]int{fd}, []Addr{{Kind: Unix, Path: path}})
	set.Replace(nil)
	if _, err := os.Stat(path); err == nil {
		t.Error("the path is left behind")
	}
}

func TestInheritPortsChosenByTheKernelAndNumbers(t *testing.T) {
	a, _ := handed(t, "tcp", "127.0.0.1:0")
	b, _ := handed(t, "tcp", "127.0.0.1:0")
	asked := []Addr{{Kind: TCP, Host: "127.0.0.1"}, {Kind: FD, FD: 3}}
	set, _ := Inherit([]int{a, b}, asked)
	if len(set) != 2 || set.find(asked[0]).FD != a || set.find(asked[1]).FD != b {
		t.Errorf("got %v", set)
	}
	set.Leave(nil)
}

func TestInheritLeavesOutWhatIsNoSocket(t *testing.T) {
	if set, _ := Inherit([]int{1 << 20}, []Addr{{Kind: TCP, Host: "127.0.0.1"}}); len(set) != 0 {
		t.Errorf("got %v", set)
	}
}

func TestSeveralSocketsOfOneAddress(t *testing.T) {
	a := Addr{Kind: TCP, Host: "127.0.0.1"}
	first, err := Open(a, Options{Backlog: 1, ReusePort: true})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Beside(first)
	if err != nil {
		t.Fatal(err)
	}
	if second.Listens() || second.Bound != first.Bound {
		t.Errorf("second socket: %+v of %+v", second, first)
	}
	if err := unix.Listen(second.FD, 1); err != nil {
		t.Fatal(err)
	}
	set, beside := Inherit([]int{first.FD, second.FD}, []Addr{{Kind: TCP, Host: "127.0.0.1", Port: first.Bound.Port}})
	if len(set) != 1 || len(beside) != 1 || set[0].FD != first.FD || beside[0].FD != second.FD || !beside[0].Listens() {
		t.Errorf("inherited %v and beside it %v", set, beside)
	}
	set.Leave(nil)
	beside.Leave(nil)
}
