package zygotectl

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Watch tells one goroutine that some of many channels have something to read.
// It says so once per arrival and does not say which: the owner then reads all
// of them until they would block. That keeps the table of channels in one place
// and costs one thread, however many workers there are.
type Watch struct {
	epoll int
	wake  chan struct{}
}

// NewWatch starts watching; there is no end to it but the process's.
func NewWatch() (*Watch, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watching control channels: %w", err)
	}
	w := &Watch{epoll: fd, wake: make(chan struct{}, 1)}
	go w.run()
	return w, nil
}

// Add watches a descriptor until it is closed. Edge-triggered: what is there
// already counts as an arrival.
func (w *Watch) Add(fd int) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(fd)}
	if err := unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("watching control channel: %w", err)
	}
	return nil
}

// Arrivals delivers a value after one or more arrivals.
func (w *Watch) Arrivals() <-chan struct{} { return w.wake }

func (w *Watch) run() {
	var events [32]unix.EpollEvent
	for {
		n, err := unix.EpollWait(w.epoll, events[:], -1)
		if err != nil && err != unix.EINTR {
			return // only a closed descriptor: not a thing that happens
		}
		if n > 0 {
			select {
			case w.wake <- struct{}{}:
			default: // one is pending and covers this arrival too
			}
		}
	}
}
