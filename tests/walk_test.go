package tests

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// walkMost is how many files of the server's rooms a small request may go through, beside conn.go: that is the connection.
const walkMost = 10

// walkRequests is how many are served while blocks of code are counted. What the start runs through is less.
const walkRequests = 1500

// walked are the files of wsgi/server and of wsgi/answer that each of many small requests goes through, without their
// ending. Those of answer have their room before them.
func walked(t *testing.T) []string {
	t.Helper()
	profile := filepath.Join(t.TempDir(), "walk.out")
	cmd := exec.Command("go", "test", "./wsgi/server", "-run", "^$", "-bench", "^BenchmarkHello$", "-benchtime", strconv.Itoa(walkRequests)+"x",
		"-covermode", "count", "-coverprofile", profile, "-coverpkg", "./wsgi/server,./wsgi/answer")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "BenchmarkHello") {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := os.Open(profile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var files []string
	block := regexp.MustCompile(`/wsgi/(?:server/)?(\S+)\.go:\S+ \d+ (\d+)$`)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		match := block.FindStringSubmatch(lines.Text())
		if match == nil {
			continue
		}
		if n, _ := strconv.Atoi(match[2]); n >= walkRequests && !slices.Contains(files, match[1]) {
			files = append(files, match[1])
		}
	}
	slices.Sort(files)
	return files
}

func TestASmallRequestGoesThroughFewFiles(t *testing.T) {
	const why = "a reader follows one request from file to file; the map shows the way"
	if testing.Short() {
		t.Skip("builds the server with counters")
	}
	files := walked(t)
	if n := len(files); n < 5 || n > walkMost+1 {
		t.Errorf("a small request goes through %v: %d files, more than %d beside conn.go: %s", files, n, walkMost, why)
	}
	text, err := os.ReadFile("../wsgi/DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	_, walk, found := strings.Cut(string(text), "### The walk of one small request")
	_, walk, open := strings.Cut(walk, "```\n")
	walk, _, closed := strings.Cut(walk, "```\n")
	if !found || !open || !closed {
		t.Fatal("wsgi/DESIGN.md has no walk of one small request")
	}
	var named []string
	for _, match := range regexp.MustCompile(`(?m)^ ([\w/]+) `).FindAllStringSubmatch(walk, -1) {
		if !slices.Contains(named, match[1]) {
			named = append(named, match[1])
		}
	}
	slices.Sort(named)
	if !slices.Equal(named, files) {
		t.Errorf("wsgi/DESIGN.md's walk names %v, and a small request goes through %v: %s", named, files, why)
	}
}
