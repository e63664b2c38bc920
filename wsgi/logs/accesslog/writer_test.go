package accesslog

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const patience = 10 * time.Second

// owned opens path for appending and gives a descriptor the Writer may close.
func owned(t *testing.T, path string) int {
	t.Helper()
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// pipe gives a reader and a descriptor to write to that the Writer may close.
func pipe(t *testing.T, flags int) (*os.File, int) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|flags); err != nil {
		t.Fatal(err)
	}
	r := os.NewFile(uintptr(fds[0]), "pipe")
	t.Cleanup(func() { r.Close() })
	return r, fds[1]
}

func TestLinesArriveWholeAndInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	w := NewWriter(owned(t, path), 0, func(text string) { t.Error(text) })
	var want bytes.Buffer
	for i := range 1000 {
		text := strings.Repeat("x", i%97) + "\n"
		want.WriteString(text)
		w.Write([]byte(text))
	}
	if err := w.Close(patience); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%d bytes in the file, want %d (%v)", len(got), want.Len(), err)
	}
	if written, dropped := w.Counts(); written != 1000 || dropped != 0 {
		t.Errorf("%d written, %d dropped", written, dropped)
	}
}

func TestManyWritersLoseNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	w := NewWriter(owned(t, path), 16<<20, nil)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			text := []byte(strings.Repeat(string(rune('a'+i)), 50) + "\n")
			for range 500 {
				w.Write(text)
			}
		})
	}
	group.Wait()
	if err := w.Close(patience); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(path)
	for text := range strings.SplitSeq(strings.TrimSuffix(string(got), "\n"), "\n") {
		if len(text) != 50 || strings.Trim(text, text[:1]) != "" {
			t.Fatalf("mixed line %q", text)
		}
	}
	if len(got) != 8*500*51 {
		t.Errorf("%d bytes, want %d", len(got), 8*500*51)
	}
}

func TestASlowPipeDropsLinesAndSaysSo(t *testing.T) {
	for name, flags := range map[string]int{"blocking": 0, "non-blocking": unix.O_NONBLOCK} {
		t.Run(name, func(t *testing.T) {
			r, fd := pipe(t, flags)
			reports := make(chan string, 16)
			w := NewWriter(fd, 64<<10, func(text string) { reports <- text })
			text := []byte(strings.Repeat("y", 999) + "\n")
			const sent = 1000
			for range sent { // nobody reads, and still every call returns
				w.Write(text)
			}
			_, dropped := w.Counts()
			if dropped == 0 {
				t.Fatal("1 MB of lines fitted in a 64 KB queue")
			}
			closed := make(chan error, 1)
			go func() { closed <- w.Close(patience) }()
			if err := unix.SetNonblock(int(r.Fd()), false); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || <-closed != nil {
				t.Fatal(err)
			}
			written, dropped := w.Counts()
			if written+dropped != sent || uint64(len(got)) != written*1000 {
				t.Errorf("%d written, %d dropped, %d bytes read", written, dropped, len(got))
			}
			if report := <-reports; !strings.Contains(report, "lines lost: ") {
				t.Error(report)
			}
		})
	}
}

func TestAFullDiskIsReported(t *testing.T) {
	fd, err := unix.Open("/dev/full", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skip(err)
	}
	reports := make(chan string, 4)
	w := NewWriter(fd, 0, func(text string) { reports <- text })
	w.Write([]byte("line\n"))
	if report := <-reports; report != "Access log: lines lost: 1 (no space left on device)" {
		t.Error(report)
	}
	if err := w.Close(patience); err != nil {
		t.Error(err)
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	r, old := pipe(t, 0)
	w := NewWriter(old, 0, func(text string) { t.Error(text) })
	w.Write([]byte("one\n"))
	first := make([]byte, 4)
	if _, err := io.ReadFull(r, first); err != nil || string(first) != "one\n" {
		t.Fatalf("%q, %v", first, err)
	}
	w.SetFD(owned(t, filepath.Join(dir, "unused")))
	w.SetFD(owned(t, filepath.Join(dir, "access.log")))
	w.Write([]byte("two\n"))
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 { // ends when the Writer closes the old descriptor
		t.Errorf("%q after the reopen, %v", rest, err)
	}
	if err := w.Close(patience); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "access.log")); err != nil || string(got) != "two\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	_, fd := pipe(t, 0)
	w := NewWriter(fd, 1<<20, nil)
	w.Write(bytes.Repeat([]byte(strings.Repeat("z", 99)+"\n"), 5000)) // more than a pipe holds
	if err := w.Close(time.Millisecond); !errors.Is(err, ErrLate) {
		t.Errorf("%v, want ErrLate", err)
	}
}

func TestPiecesEndWithLines(t *testing.T) {
	s := &sink{atomic: 10}
	tests := []struct {
		lines string
		want  int
	}{
		{"abc\n", 4}, {"abc\ndef\nghi\n", 8}, {"abcdefghijklmnop\nq\n", 17}, {"abcdefghi\nb\n", 10},
	}
	for _, test := range tests {
		if got := s.pieceLen([]byte(test.lines)); got != test.want {
			t.Errorf("%q: %d, want %d", test.lines, got, test.want)
		}
	}
}
