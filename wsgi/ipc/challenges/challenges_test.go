package challenges

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWhatIsWrittenLastIsFound(t *testing.T) {
	f, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(f.FD())
	reader := Of(f.FD())
	if _, ok := reader.Find("a.example"); ok {
		t.Error("an empty file has a challenge")
	}
	long := []Challenge{{Name: "a.example", Chain: strings.Repeat("x", 3000), Key: "k"}, {Name: "b.example"}}
	for _, all := range [][]Challenge{long, {{Name: "b.example", Chain: "c"}}, nil, long} {
		if err := f.Write(all); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a.example", "B.example", "c.example"} {
			got, ok := reader.Find(name)
			want, there := Challenge{}, false
			for _, c := range all {
				if c.Name == strings.ToLower(name) {
					want, there = c, true
				}
			}
			if ok != there || got != want {
				t.Errorf("%s of %d: %v %v", name, len(all), ok, got)
			}
		}
	}
}
