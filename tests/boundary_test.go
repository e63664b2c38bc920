package tests

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"gosrv/environ"
)

// TestEnvironAndCAgreeOnTheirNumbers compares what environ packs with what
// request_environ.c reads: the two have the numbers written down in their own
// language, because environ is tested without C.
func TestEnvironAndCAgreeOnTheirNumbers(t *testing.T) {
	text, err := os.ReadFile("../cgo/gosrv.h")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint64{
		"GOSRV_ABSENT":     uint64(environ.Absent),
		"GOSRV_IN_EXTRA":   uint64(environ.InExtra),
		"GOSRV_HAS_LINE":   uint64(environ.HasLine),
		"GOSRV_LINE_SHIFT": uint64(environ.LineShift),
		"GOSRV_SLOTS":      uint64(environ.NSlots),
	} {
		match := regexp.MustCompile(`(?m)^#define ` + name + ` +(\w+?)u?\b`).FindSubmatch(text)
		if match == nil {
			t.Errorf("gosrv.h does not define %s: was it renamed? Change this test with it", name)
			continue
		}
		if got, err := strconv.ParseUint(string(match[1]), 0, 64); err != nil || got != want {
			t.Errorf("%s is %s in gosrv.h and %#x in environ: C would read other strings than were packed", name, match[1], want)
		}
	}
}
