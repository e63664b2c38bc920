// Package cgroup reads how often the kernel has killed a process of this
// server's control group for want of memory.
package cgroup

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Memory is the memory controller's view of one cgroup. The zero value knows
// nothing.
type Memory struct {
	file string // with a line "oom_kill N"
	name string // the cgroup, as /proc/PID/cgroup has it
}

// Find looks up the cgroup that a table like /proc/self/cgroup names, below
// root, where cgroups are mounted: version 2, or 1, or 2 beside 1. In a
// container the name may be the host's and the mount the container's own.
func Find(table, root string) Memory {
	text, err := os.ReadFile(table)
	if err != nil {
		return Memory{}
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n") {
		fields := strings.SplitN(line, ":", 3)
		if len(fields) != 3 {
			continue
		}
		mounts, file := []string{"", "unified"}, "memory.events"
		if fields[1] != "" {
			if !strings.Contains(","+fields[1]+",", ",memory,") {
				continue
			}
			mounts, file = []string{"memory", fields[1]}, "memory.oom_control"
		}
		for _, mount := range mounts {
			for _, group := range []string{fields[2], "/"} {
				m := Memory{file: filepath.Join(root, mount, group, file), name: fields[2]}
				if _, _, ok := m.Kills(); ok {
					return m
				}
			}
		}
	}
	return Memory{}
}

// Kills gives the count so far, and the cgroup's name; false if it cannot be
// known.
func (m Memory) Kills() (kills int, where string, ok bool) {
	if m.file == "" {
		return 0, "", false
	}
	text, err := os.ReadFile(m.file)
	if err != nil {
		return 0, "", false
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if number, found := strings.CutPrefix(line, "oom_kill "); found {
			kills, err := strconv.Atoi(strings.TrimSpace(number))
			return kills, m.name, err == nil
		}
	}
	return 0, "", false
}
