package issuer

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	directory "github.com/mholt/acmez/v3/acme"

	"gosrv/cmd/gosrv/internal/acme"
)

func TestEachFailureHasItsAdvice(t *testing.T) {
	o := &acme.Order{Directory: "https://ca.example/dir", Storage: "/srv/acme"}
	problem := func(kind string) error {
		return fmt.Errorf("ordering: %w", directory.Problem{Type: "urn:ietf:params:acme:error:" + kind, Detail: "its own\nwords."})
	}
	for _, c := range []struct {
		err          error
		short, says  string
		first, later time.Duration
	}{
		{problem("rateLimited"), "its own words (rateLimited)", "limit is reached", time.Hour, time.Hour},
		{problem("connection"), "(connection)", "port 443 of the address", time.Minute, time.Hour},
		{problem("dns"), "(dns)", "DNS has no address for a.example", time.Minute, time.Hour},
		{problem("unauthorized"), "(unauthorized)", "Another server answers for a.example", time.Minute, time.Hour},
		{problem("externalAccountRequired"), "", "external account binding", time.Minute, time.Hour},
		{problem("malformed"), "", "https://ca.example/dir", time.Minute, time.Hour},
		{&url.Error{Op: "Get", URL: o.Directory, Err: syscall.ECONNREFUSED}, "https://ca.example/dir: connection refused", "cannot be reached", 5 * time.Second, 5 * time.Minute},
		{errors.New("disk full"), "disk full", "acme_storage (/srv/acme)", 5 * time.Second, 5 * time.Minute},
	} {
		if got := short(c.err); !strings.Contains(got, c.short) || strings.Contains(got, "\n") {
			t.Errorf("short(%v) = %q", c.err, got)
		}
		if got := advice(c.err, "a.example", o); !strings.Contains(got, c.says) {
			t.Errorf("advice(%v) = %q", c.err, got)
		}
		for fails, want := range map[int]time.Duration{1: c.first, 50: c.later} {
			if got := pause(c.err, fails); got < want || got > want+want/10+1 {
				t.Errorf("pause(%v, %d) = %v", c.err, fails, got)
			}
		}
	}
}

func TestAFileIsReplacedAsAWhole(t *testing.T) {
	path := t.TempDir() + "/folder/a.pem"
	for _, text := range []string{"one", "one", "another"} {
		if err := replace(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		info, _ := os.Stat(path)
		if err != nil || string(got) != text || info.Mode().Perm() != 0o600 {
			t.Error(string(got), err, info.Mode())
		}
	}
}
