package queue

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// collector is a queue of numbers that keeps the batches it is given.
type collector struct {
	*Queue[[]int]
	batches [][]int
	times   []time.Duration // since the start
	ended   bool
}

func collect(interval time.Duration) *collector {
	c, begun := &collector{}, time.Now()
	c.Queue = New(interval, func(b *[]int, last bool) bool {
		if len(*b) > 0 {
			c.batches, c.times = append(c.batches, slices.Clone(*b)), append(c.times, time.Since(begun))
		}
		sent := len(*b) > 0
		*b, c.ended = (*b)[:0], last
		return sent
	})
	c.Start()
	return c
}

func (c *collector) put(n int) {
	waiting, ok := c.Lock()
	if ok {
		*waiting = append(*waiting, n)
	}
	c.Unlock(ok)
}

func TestWhatComesWhileOneIsSentLeavesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := collect(10 * time.Millisecond)
		c.put(1)
		synctest.Wait()
		c.put(2)
		time.Sleep(5 * time.Millisecond)
		c.put(3)
		time.Sleep(time.Hour)
		c.put(4)
		synctest.Wait()
		if want := [][]int{{1}, {2, 3}, {4}}; !slices.EqualFunc(c.batches, want, slices.Equal) {
			t.Errorf("%v, want %v", c.batches, want)
		}
		if c.times[0] != 0 || c.times[1] != 10*time.Millisecond || c.times[2] != time.Hour+5*time.Millisecond {
			t.Errorf("sent at %v", c.times)
		}
		if !c.Close(time.Second) || !c.ended {
			t.Error("it does not end")
		}
	})
}

func TestCloseSendsTheRestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := collect(time.Minute)
		c.put(1)
		synctest.Wait()
		c.put(2)
		begun := time.Now()
		if !c.Close(time.Second) || time.Since(begun) != 0 || len(c.batches) != 2 {
			t.Errorf("%v after %v", c.batches, time.Since(begun))
		}
		c.put(3)
		if !c.Close(0) || len(c.batches) != 2 {
			t.Error("a closed queue takes more")
		}
	})
}

func TestCloseGivesUpOnAStuckOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		q := New(0, func(b *[]int, last bool) bool { <-free; return false })
		q.Start()
		if begun := time.Now(); q.Close(time.Second) || time.Since(begun) != time.Second {
			t.Error("it does not wait as long as it may")
		}
		if q.Pause(time.Hour) {
			t.Error("a pause outlives the end")
		}
		close(free)
		<-q.Done()
	})
}

func TestLossesAreReportedAtOnceAndThenEveryTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said, ended, first := make(chan string, 10), make(chan struct{}), true
		var l *Losses
		l = NewLosses("Log", "it is slow", func(text string) {
			if said <- text; first {
				first = false
				l.Add(1, errors.New("of the report itself"))
			}
		}, ended)
		l.Add(1, nil)
		if text := <-said; text != "Log: lines lost: 1 (it is slow)" {
			t.Error(text)
		}
		synctest.Wait()
		l.Add(2, errors.New("disk full"))
		begun := time.Now()
		if text := <-said; text != "Log: lines lost: 3 (disk full)" || time.Since(begun) != ReportEvery {
			t.Errorf("%s after %v", text, time.Since(begun))
		}
		l.Add(1, nil)
		close(ended)
		synctest.Wait()
		if !l.Report() || l.Report() || len(said) != 1 || l.Count() != 5 {
			t.Errorf("%d reports, %d lost", len(said), l.Count())
		}
	})
}
