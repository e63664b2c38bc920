package zygote

import "slices"

// List is of processes that no generation needs any more.
type List []*Process

// Take removes the process with that pid and gives it; nil: it is not here.
func (l *List) Take(pid int) *Process {
	for i, z := range *l {
		if z.PID == pid {
			*l = slices.Delete(*l, i, i+1)
			return z
		}
	}
	return nil
}
