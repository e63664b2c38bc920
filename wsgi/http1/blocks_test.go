package http1

import "testing"

// A block is numbered when it comes for the second time, on whatever connection, and never where the target
// says other things of the request than its fields.
func TestBlocksThatRepeatAreNumbered(t *testing.T) {
	var blocks Blocks
	policy := Policy{RequestLine: 4094, Fields: 100, FieldSize: 8190}
	r := new(Request)
	ask := func(k *Known, line, fields string) Block {
		t.Helper()
		buf := []byte(line + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n")
		if err := blocks.Parse(&policy, buf, r, k); err != nil {
			t.Fatal(err)
		}
		if got := string(r.Path.Of(buf)); r.HeadLen != len(buf) || got != "/1" && got != "/2" {
			t.Errorf("%q of %d bytes", got, r.HeadLen)
		}
		return blocks.Number(buf, r, k)
	}
	const same, other = "X-Block: same\r\n", "X-Block: other\r\n"
	var a, b, c Known
	if first := ask(&a, "GET /1", same); first.Number != 0 {
		t.Errorf("the first has number %d", first.Number)
	}
	known := ask(&b, "GET /2", same)
	if known.Number == 0 {
		t.Error("the second has no number")
	}
	for i, k := range []*Known{&a, &b, &a, &c} {
		if got := ask(k, "GET /1", same); got != known {
			t.Errorf("%d: got %+v, want %+v", i, got, known)
		}
	}
	if got := ask(&a, "GET http://b/1", same); got.Number != 0 {
		t.Errorf("behind another target: %+v", got)
	}
	if got := ask(&c, "GET /2", other); got.Number != 0 {
		t.Errorf("another block: %+v", got)
	}
}
