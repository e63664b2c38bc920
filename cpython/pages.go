package cpython

// DropPages unmaps the code and constants of the program and its libraries that were used last;
// what is used again is mapped again. It waits for the GIL and takes about a millisecond.
func (t *Thread) DropPages() { t.c.DropPages() }
