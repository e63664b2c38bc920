package loop

import "sync"

// Mailbox is where other threads leave things for the loop, which its descriptor tells of.
type Mailbox[T any] struct {
	waker *Waker

	mu   sync.Mutex
	left []T
}

// NewMailbox makes one. FD is to be watched, level-triggered.
func NewMailbox[T any]() (*Mailbox[T], error) {
	waker, err := NewWaker()
	if err != nil {
		return nil, err
	}
	return &Mailbox[T]{waker: waker}, nil
}

// FD is readable when Take has something; the mailbox owns it.
func (m *Mailbox[T]) FD() int { return m.waker.FD() }

// Put leaves one thing. Any thread may.
func (m *Mailbox[T]) Put(one T) {
	m.mu.Lock()
	m.left = append(m.left, one)
	m.mu.Unlock()
	m.waker.Wake()
}

// Take gives all that was left since it was called last, in order; it is the caller's.
func (m *Mailbox[T]) Take() []T {
	m.waker.Clear() // first: what is put behind it wakes again
	m.mu.Lock()
	defer m.mu.Unlock()
	left := m.left
	m.left = nil
	return left
}
