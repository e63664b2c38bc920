package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// none is a directory that takes no file, whoever asks.
const none = "/proc/self"

func variables(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestWhereTempfileLooks(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		named string
		env   []string
		want  string
	}{
		{"", nil, "[/tmp /var/tmp /usr/tmp . (the working directory)]"},
		{"/a", []string{"TMP", "/c", "TMPDIR", "/b"}, "[/a (tmp_upload_dir) /b (TMPDIR) /c (TMP) /tmp /var/tmp /usr/tmp . (the working directory)]"},
		{"", []string{"TEMP", "/tmp", "TMPDIR", ""}, "[/tmp (TEMP) /var/tmp /usr/tmp . (the working directory)]"},
	} {
		if got := strings.ReplaceAll(fmt.Sprint(Dirs(c.named, variables(c.env...))), here, "."); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestTheFirstThatTakesAFile(t *testing.T) {
	good := t.TempDir()
	s, notice := New([]Dir{{good, ""}, {none, ""}})
	if notice != "" || s.Place() != good {
		t.Errorf("%s: %q", s.Place(), notice)
	}
	s, notice = New([]Dir{{none, "TMPDIR"}, {good + "/absent", ""}, {good, ""}})
	if s.Place() != good || !strings.Contains(notice, "go to "+good+"; refused to user "+fmt.Sprint(os.Geteuid())+": "+none+" (TMPDIR): ") {
		t.Errorf("%s: %q", s.Place(), notice)
	}
	if left, _ := os.ReadDir(good); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestADirectoryThatGoesIsReplaced(t *testing.T) {
	first, second := filepath.Join(t.TempDir(), "first"), t.TempDir()
	if err := os.Mkdir(first, 0o700); err != nil {
		t.Fatal(err)
	}
	s, _ := New([]Dir{{first, ""}, {second, ""}})
	if err := os.Remove(first); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		fd, notice, err := s.Open(1 << 40)
		if err != nil || s.Place() != second || (notice != "") != want {
			t.Fatalf("%d: %s, %q, %v", i, s.Place(), notice, err)
		}
		s.Close(fd)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	s, notice := New([]Dir{{none, ""}})
	if s.Place() != "memory" || !strings.Contains(notice, "at most 128 MiB a worker") {
		t.Fatalf("%s: %q", s.Place(), notice)
	}
	s.room = 1000
	open := func(want int64) (int, error) {
		fd, _, err := s.Open(want)
		return fd, err
	}
	if _, err := open(1001); err != ErrTooLarge {
		t.Errorf("1001: %v", err)
	}
	a, err := open(600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(401); err != ErrFull {
		t.Errorf("401 beside 600: %v", err)
	}
	b, err := open(-1) // chunked
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(a, make([]byte, 600)); err != nil {
		t.Errorf("what was reserved: %v", err)
	}
	if err := s.Write(b, bytes.Repeat([]byte("x"), 400)); err != nil {
		t.Errorf("what is left: %v", err)
	}
	if err := s.Write(b, []byte("x")); err != ErrFull {
		t.Errorf("one more: %v", err)
	}
	s.Close(a)
	s.Close(b)
	if s.used != 0 || len(s.held) != 0 {
		t.Errorf("%d bytes in %d files are left", s.used, len(s.held))
	}
	c, err := open(-1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(c)
	if err := s.Write(c, make([]byte, 1001)); err != ErrTooLarge {
		t.Errorf("chunks: %v", err)
	}
}

func TestStatus(t *testing.T) {
	for err, want := range map[error]int{
		ErrTooLarge: 413, unix.EFBIG: 413, ErrFull: 503, unix.ENOSPC: 503, unix.EMFILE: 503, unix.EIO: 500, errors.New("x"): 503,
	} {
		if got := Status(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}
