package title

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The test binary is its own subject: run with GOSRV_TITLE it takes that title
// and shows what ps would.
func TestMain(m *testing.M) {
	title, ok := os.LookupEnv("GOSRV_TITLE")
	if !ok {
		os.Exit(m.Run())
	}
	before := strings.Join(os.Args, "|")
	Own().Set(title)
	shown, err := os.ReadFile("/proc/self/cmdline")
	if err != nil {
		os.Exit(1)
	}
	os.Stdout.WriteString(strings.TrimRight(string(shown), "\x00") + "\n")
	os.Stdout.WriteString(before + "\n" + strings.Join(os.Args, "|") + "\n" + os.Getenv("GOSRV_AFTER") + "\n")
	os.Exit(0)
}

func TestTitleIsShownAndArgumentsSurvive(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"a", "", "a much longer argument than the others"}
	room := len(self) + 1 + len(strings.Join(args, "\x00"))
	for _, title := range []string{"gosrv: master [app]", strings.Repeat("long ", 100)} {
		cmd := exec.Command(self, args...)
		cmd.Env = append(os.Environ(), "GOSRV_TITLE="+title, "GOSRV_AFTER=untouched")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(out), "\n")
		if want := title[:min(len(title), room)]; lines[0] != want {
			t.Errorf("shown %q, want %q", lines[0], want)
		}
		if lines[1] != lines[2] || !strings.HasSuffix(lines[1], "|a||a much longer argument than the others") {
			t.Errorf("os.Args were %q, became %q", lines[1], lines[2])
		}
		if lines[3] != "untouched" {
			t.Errorf("environment overwritten: %q", lines[3])
		}
	}
}

func TestArgumentsElsewhereAreNotWritten(t *testing.T) {
	joined := "one\x00two\x00"
	other := strings.Clone("three")
	got := find([]string{joined[:3], joined[4:7], other})
	if string(got) != "one\x00two" {
		t.Errorf("%q", got)
	}
	if got := find(nil); got != nil {
		t.Errorf("%q", got)
	}
	if !slices.Equal([]byte("three"), []byte(other)) {
		t.Error("written")
	}
}
