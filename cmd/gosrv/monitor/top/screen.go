package top

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"gosrv/cmd/gosrv/internal/view"
	"gosrv/wsgi/ipc/metrics"
)

// Styles of the screen. lipgloss leaves colours out where NO_COLOR asks for that.
var (
	bold   = lipgloss.NewStyle().Bold(true)
	faint  = lipgloss.NewStyle().Faint(true)
	good   = lipgloss.NewStyle().Foreground(lipgloss.Color("2"))
	bad    = lipgloss.NewStyle().Foreground(lipgloss.Color("1")).Bold(true)
	chosen = lipgloss.NewStyle().Reverse(true)
)

// least is the smallest window that shows anything, in columns and lines.
const leastWidth, leastHeight = 30, 6

// View is tea.Model's.
func (m *model) View() string {
	if m.shot == nil || m.width == 0 {
		return ""
	}
	if m.width < leastWidth || m.height < leastHeight {
		return ansi.Truncate("the window is too small", m.width, "")
	}
	if m.stack != nil {
		return m.stackView()
	}
	head := m.header()
	foot := m.footer()
	left := m.height - len(head) - 1
	rows := m.table()
	slow := append(m.detail(), m.slowest()...)
	room := min(len(slow), max(left-len(rows)-1, left/3))
	if room < 3 {
		slow, room = nil, 0
	}
	body := window(rows, max(left-room, 2), m.row()+1)
	return m.screen(append(append(head, body...), slow[:room]...), foot)
}

// screen is as many lines as the window has, each no longer than it is wide.
func (m *model) screen(lines []string, foot string) string {
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:m.height-1], foot)
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, m.width, "…")
	}
	return strings.Join(lines, "\n")
}

// stackView is a stack in the place of all the rest.
func (m *model) stackView() string {
	k := m.stack
	lines := []string{bold.Render(fmt.Sprintf("Python stacks of process %d, the last call of each thread first", k.pid)), ""}
	if k.lines == nil {
		lines = append(lines, "asking ...")
	}
	k.first = min(max(k.first, 0), max(len(k.lines)-(m.height-3), 0))
	for _, line := range k.lines[k.first:] {
		lines = append(lines, printable(line))
	}
	return m.screen(lines, faint.Render("q back  t once more  ↑↓ move"))
}

// detail is what the chosen worker is at, with as much of the path as there is room for.
func (m *model) detail() []string {
	for _, w := range m.shot.Workers {
		if w.PID != m.chosen || w.Request == nil {
			continue
		}
		from := *w.Request.Client
		if from == "" {
			from = "a unix socket"
		}
		return []string{"", fmt.Sprintf("%d: for %s, from %s: %s", w.PID, duration(w.Request.Age), from, printable(w.Request.Method+" "+*w.Request.Path))}
	}
	return []string{"", ""} // the tables do not jump when a request comes
}

// window is as many rows as there is room for, the first and a certain one among them.
func window(rows []string, room, keep int) []string {
	if len(rows) <= room {
		return rows
	}
	from := min(max(keep-room+1, 0), len(rows)-room)
	return append([]string{rows[0]}, rows[from+1:from+room]...)
}

func (m *model) header() []string {
	s := m.shot
	state := good.Render("serving")
	if !s.Ready {
		state = bad.Render(s.Phase + ", not ready")
	}
	title := bold.Render(printable(s.App)) + "  " + state
	if m.paused {
		title += "  " + bad.Render("paused")
	}
	used, backlog := "-", "-"
	if s.Capacity.Used != nil {
		used = fmt.Sprintf("%.0f %%", 100**s.Capacity.Used)
	}
	if s.Capacity.Backlog != nil {
		backlog = fmt.Sprint(*s.Capacity.Backlog)
	}
	r := s.Recent
	return []string{
		title + faint.Render(fmt.Sprintf("  generation %d  up %s  gosrv %s (pid %d)", s.Generation, duration(s.Uptime), s.Version, s.PID)),
		fmt.Sprintf("requests/s %s   failed/s %.1f   p50 %s  p90 %s  p99 %s   queue p99 %s", number(r["requests_per_second"]), r["failures_per_second"],
			duration(r["p50"]), duration(r["p90"]), duration(r["p99"]), duration(r["queue_p99"])),
		fmt.Sprintf("busy %d of %d threads   used %s   waiting %s   connections %d   GIL waits %d, mean %s", s.Capacity.Busy, s.Capacity.Threads, used, backlog,
			s.Clients.Open, s.Phases[metrics.GIL.String()].Count, duration(mean(s.Phases[metrics.GIL.String()]))),
		"",
	}
}

func mean(t view.Timing) float64 {
	if t.Count == 0 {
		return 0
	}
	return t.Sum / float64(t.Count)
}

// table is the workers, their heads first.
func (m *model) table() []string {
	rows := []string{faint.Render(fmt.Sprintf("%6s %8s %-8s %6s %3s %7s %6s %6s  %s", "worker", "pid", "state", "req/s", "run", "rss MiB", "age", "for", "request (oldest)"))}
	for _, w := range m.workers() {
		what, since := "", ""
		if w.Request != nil {
			since = duration(w.Request.Age)
			what = printable(w.Request.Method+" "+*w.Request.Path) + "  " + *w.Request.Client
		}
		line := fmt.Sprintf("%6d %8d %-8s %6s %3d %7.1f %6s %6s  %s", w.Slot, w.PID, w.State, number(m.rates[w.PID]), w.Running,
			float64(w.RSS)/(1<<20), duration(w.Age), since, what)
		if w.PID == m.chosen {
			line = chosen.Render(ansi.Truncate(fmt.Sprintf("%-*s", m.width, line), m.width, "…"))
		}
		rows = append(rows, line)
	}
	return rows
}

// slowest is what the slowest requests of the last minutes waited for.
func (m *model) slowest() []string {
	lines := []string{"", faint.Render(fmt.Sprintf("%7s %7s %7s %7s %7s  %s", "whole", "queue", "GIL", "app", "client", "slowest of the last five minutes"))}
	for _, q := range m.shot.Slowest {
		client := q.Times[metrics.Body.String()] + q.Times[metrics.Send.String()]
		lines = append(lines, fmt.Sprintf("%7s %7s %7s %7s %7s  %d %s %s", duration(q.Times[metrics.Whole.String()]), duration(q.Times[metrics.Queue.String()]),
			duration(q.Times[metrics.GIL.String()]), duration(q.Times[metrics.Application.String()]), duration(client), q.Status, printable(q.Method), printable(*q.Path)))
	}
	return lines
}

func (m *model) footer() string {
	switch {
	case m.asked != nil:
		return bold.Render(m.asked.question+"? y/n") + " "
	case m.said != "":
		return bold.Render(m.said)
	}
	return faint.Render("q leave  p pause  s sort: " + orderNames[m.order] + "  ↑↓ worker  t stack  r reload  + - workers")
}

// printable keeps what a client has sent from being orders to the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// number is a count in a few characters.
func number(n float64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1fM", n/1e6)
	case n >= 1e4:
		return fmt.Sprintf("%.0fk", n/1e3)
	case n >= 10 || n == float64(int(n)):
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.1f", n)
}

// duration is seconds in a few characters.
func duration(s float64) string {
	switch {
	case s <= 0:
		return "0"
	case s < 1e-3:
		return fmt.Sprintf("%.0fµs", s*1e6)
	case s < 1:
		return fmt.Sprintf("%.0fms", s*1e3)
	case s < 10:
		return fmt.Sprintf("%.1fs", s)
	case s < 120:
		return fmt.Sprintf("%.0fs", s)
	case s < 7200:
		return fmt.Sprintf("%.0fm", s/60)
	case s < 172800:
		return fmt.Sprintf("%.0fh", s/3600)
	}
	return fmt.Sprintf("%.0fd", s/86400)
}
