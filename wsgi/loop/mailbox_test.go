package loop

import (
	"slices"
	"testing"
)

func TestAMailboxTellsOfWhatIsLeftInIt(t *testing.T) {
	m, err := NewMailbox[int]()
	if err != nil {
		t.Fatal(err)
	}
	defer m.waker.Close()
	if WaitReadable(m.FD(), 0) {
		t.Error("it tells of nothing")
	}
	go func() { m.Put(1); m.Put(2); m.Put(3) }()
	var got []int
	for len(got) < 3 {
		if !WaitReadable(m.FD(), 10_000) {
			t.Fatal("it does not tell of what was left")
		}
		got = append(got, m.Take()...)
	}
	if !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("%v", got)
	}
	if m.Take(); WaitReadable(m.FD(), 0) {
		t.Error("it tells of what was taken")
	}
}
