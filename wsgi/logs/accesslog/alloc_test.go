//go:build !race

package accesslog

import (
	"testing"
	"time"
)

// fixed is a Source that has every header, with a value as long as they get in practice.
type fixed struct{ text []byte }

func (f fixed) RequestHeader(name string) []byte  { return f.text }
func (f fixed) ResponseHeader(name string) []byte { return f.text }
func (f fixed) Environ(name string) []byte        { return f.text }

func TestFormattingDoesNotAllocate(t *testing.T) {
	for _, format := range []string{Default, JSON, `%({x-a}i)20s %({x-b}o)s %({wsgi.url_scheme}e)s %(D)012d %(L)s %(p)s`} {
		f, err := Compile(format)
		if err != nil {
			t.Fatal(err)
		}
		e := sample()
		e.End = time.Now()
		e.Source = &fixed{[]byte("Basic YW5uZTpzZWNyZXQ=")}
		buf := f.Append(nil, e)
		if n := testing.AllocsPerRun(100, func() { buf = f.Append(buf[:0], e) }); n != 0 {
			t.Errorf("%s: %v allocations a line, expected 0", format, n)
		}
	}
}

func BenchmarkDefaultLine(b *testing.B) {
	f, err := Compile(Default)
	if err != nil {
		b.Fatal(err)
	}
	e := sample()
	e.Source = &fixed{[]byte("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0")}
	buf := f.Append(nil, e)
	b.ReportAllocs()
	for b.Loop() {
		buf = f.Append(buf[:0], e)
	}
}
