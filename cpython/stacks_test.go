package cpython

import "testing"

func TestMarkStacks(t *testing.T) {
	const text = `Thread 0x00007f0000000010 (most recent call first):
  <no Python frame>

Thread 0x00007f0000000020 (most recent call first):
  File "a.py", line 1 in wait

Thread 0x00007f0000000050 (most recent call first):
  File "threading.py", line 3 in run

Current thread 0x00007f0000000030 (most recent call first):
  <no Python frame>

Thread 0x00007f0000000040 (most recent call first):
  File "b.py", line 2 in stuck
`
	const want = `Thread 0x00007f0000000020 (most recent call first):
  File "a.py", line 1 in wait

Thread 0x00007f0000000040, which is late (most recent call first):
  File "b.py", line 2 in stuck

1 more wait for requests`
	if got := markStacks(text, []uint64{0, 0x7f0000000040}, []uint64{0, 0x7f0000000050}); got != want {
		t.Errorf("got %s", got)
	}
}
