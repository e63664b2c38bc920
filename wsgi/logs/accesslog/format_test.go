package accesslog

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// request is a Source made of three small maps.
type request struct{ in, out, environ map[string]string }

func (r *request) RequestHeader(name string) []byte  { return value(r.in, name) }
func (r *request) ResponseHeader(name string) []byte { return value(r.out, name) }
func (r *request) Environ(name string) []byte        { return value(r.environ, name) }

func value(from map[string]string, name string) []byte {
	if text, has := from[name]; has {
		return []byte(text)
	}
	return nil
}

// sample is the request the goldens were made with.
func sample() *Entry {
	return &Entry{
		Remote: []byte("127.0.0.1"), Method: []byte("GET"), Target: []byte(`/a%20b?x=1&y="z"`), Path: []byte("/a b"),
		Query: []byte(`x=1&y="z"`), Proto: []byte("HTTP/1.1"), Status: 200, Bytes: 1234,
		End: time.Date(2026, 11, 21, 15, 43, 0, 0, time.UTC), Duration: 2345678 * time.Microsecond,
		Source: &request{
			in: map[string]string{
				"host": "example.com", "x-forwarded-for": "1.2.3.4, 5.6.7.8", "user-agent": `curl "8"`, "x-a": "2", "empty": "",
				"authorization": "Basic YW5uZTpzZWNyZXQ=",
			},
			out:     map[string]string{"content-type": "text/html", "x-twice": "2"},
			environ: map[string]string{"http_host": "example.com", "wsgi.url_scheme": "http", "wsgi.multithread": "False"},
		},
	}
}

// line formats e and takes the newline off.
func line(t *testing.T, format string, e *Entry) string {
	t.Helper()
	f, err := Compile(format)
	if err != nil {
		t.Fatal(err)
	}
	f.SetLocation(time.UTC)
	f.pid = 4242
	text, found := strings.CutSuffix(string(f.Append(nil, e)), "\n")
	if !found {
		t.Errorf("%q: no newline at the end", text)
	}
	return text
}

// The golden was made by formatting the same request with Gunicorn 27.0.1's Logger.
func TestFormatsAsGunicorn(t *testing.T) {
	text, err := os.ReadFile("testdata/formats.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Good [][2]string
		Bad  []string
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	for _, pair := range golden.Good {
		if got := line(t, pair[0], sample()); got != pair[1] {
			t.Errorf("%s\n got %q\nwant %q", pair[0], got, pair[1])
		}
	}
	for _, format := range golden.Bad {
		if _, err := Compile(format); err == nil {
			t.Errorf("%q is accepted, Python refuses it", format)
		}
	}
}

func TestNoLineCanBeForged(t *testing.T) {
	tests := []struct{ given, want string }{
		{"a\r\nb", `a\x0d\x0ab`},
		{"\x00\x1b[31m\x7f", `\x00\x1b[31m\x7f`},
		{`" 200 -`, `\" 200 -`},
		{`\`, `\\`},
		{`\"`, `\\\"`},
		{"caf\u00e9 \u65e5\u672c", "caf\u00e9 \u65e5\u672c"},
		{"\xff\xc3", `\xff\xc3`},
		{"\u0085\u009b2J", `\xc2\x85\xc2\x9b2J`},
		{"a\u2028b\u2029", `a\xe2\x80\xa8b\xe2\x80\xa9`},
		{"\u202ea\u2066\u65e5", `\xe2\x80\xaea\xe2\x81\xa6` + "\u65e5"},
		{"\ufffd", "\ufffd"},
	}
	for _, test := range tests {
		e := sample()
		e.Source = &request{in: map[string]string{"user-agent": test.given, "referer": test.given, "x": test.given}}
		if got, want := line(t, `"%(a)s" "%(f)s" %({x}i)s`, e), `"`+test.want+`" "`+test.want+`" `+test.want; got != want {
			t.Errorf("%q: %s, want %s", test.given, got, want)
		}
		e.Method, e.Target, e.Path, e.Query, e.Remote = []byte(test.given), []byte(test.given), []byte(test.given), []byte(test.given), []byte(test.given)
		if got := line(t, `%(r)s%(m)s%(U)s%(q)s%(h)s`, e); strings.Count(got, test.want) != 6 {
			t.Errorf("%q: %s", test.given, got)
		}
		if got := line(t, JSON, e); strings.ContainsAny(got, "\r\n\x00\x1b\x7f") || !json.Valid([]byte(got)) {
			t.Errorf("%q: %s", test.given, got)
		}
	}
}

func TestUserOfBasicAuthentication(t *testing.T) {
	tests := []struct{ header, want string }{
		{"Basic YW5uZTpzZWNyZXQ=", "anne"},
		{"basic  YW5uZTpzZWNyZXQ= ", "anne"},
		{"BASIC YW5uZTo=", "anne"},
		{"Basic YW5uZQ==", "anne"},
		{"Basic YW5u\tZTpz ZWNy-ZXQ=", "anne"},
		{"Basic OnNlY3JldA==", "-"},
		{"Basic YW5uZ", "-"},
		{"Basic", "-"},
		{"Basic ", "-"},
		{"Bearer YW5uZTpzZWNyZXQ=", "-"},
		{"Basic /zp4", "-"},
		{"Basic YSBiIDIwMCAtCg==", `a\x20b\x20200\x20-\x0a`},
	}
	for _, test := range tests {
		e := sample()
		e.Source = &request{in: map[string]string{"authorization": test.header}}
		if got := line(t, "%(u)s", e); got != test.want {
			t.Errorf("%q: %q, want %q", test.header, got, test.want)
		}
	}
	if got := line(t, "%(u)s %(h)s|%(f)s", &Entry{Source: &request{}}); got != "- -|-" {
		t.Errorf("%q, want dashes for what is not there", got)
	}
}

func TestJSON(t *testing.T) {
	got := line(t, JSON, sample())
	want := `{"time":"2026-11-21T15:43:00.000Z","remote_addr":"127.0.0.1","forwarded_for":"1.2.3.4, 5.6.7.8","user":"anne",` +
		`"method":"GET","target":"/a%20b?x=1&y=\"z\"","path":"/a b","query":"x=1&y=\"z\"","protocol":"HTTP/1.1",` +
		`"scheme":"http","host":"example.com","status":200,"bytes":1234,"duration":2.345678,"referer":null,"user_agent":"curl \"8\"",` +
		`"request_id":null,"traceparent":null,"pid":4242}`
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestTimeFollowsTheClockAndZone(t *testing.T) {
	f, err := Compile("%(t)s")
	if err != nil {
		t.Fatal(err)
	}
	f.SetLocation(time.FixedZone("", 2*3600))
	e := sample()
	for _, want := range []string{"[21/Nov/2026:17:43:00 +0200]\n", "[21/Nov/2026:17:43:01 +0200]\n"} {
		if got := string(f.Append(nil, e)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		e.End = e.End.Add(time.Second)
	}
}

func TestNegativeDurationIsZero(t *testing.T) {
	e := sample()
	e.Duration = -time.Millisecond
	if got := line(t, "%(T)s %(M)s %(D)s %(L)s", e); got != "0 0 0 0.000000" {
		t.Error(got)
	}
}
