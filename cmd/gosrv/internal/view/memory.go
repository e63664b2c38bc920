package view

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Memory is what a process has of it, in bytes, and of time.
type Memory struct {
	RSS, PSS, Shared uint64
	Age              float64 // seconds
	CPU              float64 // seconds of processors that it has used, system and user
}

// ticks of the kernel's clock a second, as /proc has them (USER_HZ).
const ticks = 100

// MemoryOf reads RSS, the share of it that other processes have too, age and CPU time.
// What cannot be read is 0.
func MemoryOf(pid int) (m Memory) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return m
	}
	page := uint64(os.Getpagesize())
	if fields := strings.Fields(string(text)); len(fields) > 2 {
		rss, _ := strconv.ParseUint(fields[1], 10, 64)
		shared, _ := strconv.ParseUint(fields[2], 10, 64)
		m.RSS, m.Shared = rss*page, shared*page
	}
	m.Age, m.CPU = times(pid)
	return m
}

// ProportionalOf is MemoryOf with the PSS, for which the kernel goes through all
// pages of the process: a millisecond for each 10 MB.
func ProportionalOf(pid int) Memory {
	m := MemoryOf(pid)
	file, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return m
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		if kib, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64); name == "Pss" {
			m.PSS = kib << 10
		} else if name == "Shared_Clean" || name == "Shared_Dirty" {
			if name == "Shared_Clean" {
				m.Shared = 0
			}
			m.Shared += kib << 10
		}
	}
	return m
}

// times is how long ago the process was started, and how long it had a processor, in seconds.
func times(pid int) (age, cpu float64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0
	}
	_, after, _ := strings.Cut(string(text), ") ") // the name may hold anything
	fields := strings.Fields(after)
	if len(fields) < 20 {
		return 0, 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	cpu = (user + system) / ticks
	started, _ := strconv.ParseFloat(fields[19], 64)
	uptime, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0, cpu
	}
	now, _ := strconv.ParseFloat(strings.Fields(string(uptime))[0], 64)
	return max(now-started/ticks, 0), cpu
}

// computed is for how many seconds the main thread of a process has been on a processor.
func computed(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/schedstat", pid, pid))
	if err != nil {
		return 0
	}
	ns, _, _ := strings.Cut(string(text), " ")
	n, _ := strconv.ParseUint(ns, 10, 64)
	return seconds(int64(n))
}
