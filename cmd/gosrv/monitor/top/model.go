package top

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/view"
	"gosrv/cmd/gosrv/monitor/history"
)

// order is what the rows are sorted by.
type order int

const (
	byWorker order = iota
	byTime
	byRate
	byMemory
	orders
)

var orderNames = [orders]string{"worker", "time", "requests", "memory"}

// action is something that is done to the server once the user has confirmed it.
type action struct {
	question string
	done     string
	pid      int
	signal   unix.Signal
}

// model is what is shown, and what it is made of.
type model struct {
	master  int
	history *history.History
	shot    *view.Snapshot
	rates   map[int]float64 // requests a second, by process id
	before  map[int]uint64
	at      time.Time // of before

	width, height int
	order         order
	chosen        int // process id of a worker
	paused        bool
	asked         *action // waits for y or n
	said          string  // of the last action
	stack         *stack  // shown in the place of the tables; nil: it is not
	ended         bool    // the server has gone
}

func newModel(master int, h *history.History) *model {
	return &model{master: master, history: h, before: map[int]uint64{}, rates: map[int]float64{}}
}

// stack is the Python stacks of a worker's threads, from the line that is shown first.
type stack struct {
	pid   int
	lines []string // nil: they are awaited
	first int
}

// stacked is a stack that was taken.
type stacked struct {
	pid  int
	text string
}

// takeStack asks for the stacks of a process, beside the screen.
func takeStack(pid int) tea.Cmd {
	return func() tea.Msg {
		text, err := view.Stacks(pid)
		if err != nil {
			text = err.Error()
		}
		return stacked{pid, text}
	}
}

type second struct{}

func nextSecond() tea.Cmd { return tea.Tick(time.Second, func(time.Time) tea.Msg { return second{} }) }

// Init is tea.Model's.
func (m *model) Init() tea.Cmd {
	m.look()
	return nextSecond()
}

// Update is tea.Model's.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyMsg:
		if msg.Type != tea.KeyRunes {
			return m, m.key(msg.String())
		}
		for _, r := range msg.Runes { // several where they were typed fast
			if cmd := m.key(string(r)); cmd != nil {
				return m, cmd
			}
		}
	case stacked:
		if m.stack != nil && m.stack.pid == msg.pid {
			m.stack.lines = strings.Split(msg.text, "\n")
		}
	case second:
		m.look()
		if m.ended {
			return m, tea.Quit
		}
		return m, nextSecond()
	}
	return m, nil
}

// look takes a reading; what is shown stays as it is during a pause.
func (m *model) look() {
	if _, err := m.history.Tick(); err != nil {
		m.ended = true
		return
	}
	if m.paused {
		return
	}
	_, m.shot = m.history.Last()
	now := time.Now()
	took := now.Sub(m.at).Seconds()
	before := m.before
	m.before, m.at = map[int]uint64{}, now
	for _, w := range m.shot.Workers {
		m.before[w.PID] = w.Requests
		if n, known := before[w.PID]; known && took > 0 {
			m.rates[w.PID] = float64(w.Requests-n) / took
		}
	}
	if m.row() < 0 && len(m.shot.Workers) > 0 {
		m.chosen = m.workers()[0].PID
	}
}

// workers are the rows, sorted.
func (m *model) workers() []view.Worker {
	rows := slices.Clone(m.shot.Workers)
	slices.SortStableFunc(rows, func(a, b view.Worker) int {
		switch m.order {
		case byTime:
			return cmp.Compare(running(b), running(a))
		case byRate:
			return cmp.Compare(m.rates[b.PID], m.rates[a.PID])
		case byMemory:
			return cmp.Compare(b.RSS, a.RSS)
		}
		return cmp.Compare(a.Slot, b.Slot)
	})
	return rows
}

func running(w view.Worker) float64 {
	if w.Request == nil {
		return 0
	}
	return w.Request.Age
}

// row is where the chosen worker stands, -1 if it has gone.
func (m *model) row() int {
	return slices.IndexFunc(m.workers(), func(w view.Worker) bool { return w.PID == m.chosen })
}

// key obeys one.
func (m *model) key(key string) tea.Cmd {
	if m.asked != nil {
		m.answer(key)
		return nil
	}
	m.said = ""
	if m.stack != nil {
		return m.keyInStack(key)
	}
	switch key {
	case "q", "ctrl+c", "esc":
		return tea.Quit
	case "p", " ":
		m.paused = !m.paused
	case "s":
		m.order = (m.order + 1) % orders
	case "up", "k":
		m.choose(-1)
	case "down", "j":
		m.choose(1)
	case "t", "enter":
		if m.row() >= 0 {
			m.stack = &stack{pid: m.chosen}
			return takeStack(m.chosen)
		}
	case "r":
		m.asked = &action{"Reload code and settings", "HUP was sent", m.master, unix.SIGHUP}
	case "+":
		m.asked = &action{"One worker more", "TTIN was sent", m.master, unix.SIGTTIN}
	case "-":
		m.asked = &action{"One worker less", "TTOU was sent", m.master, unix.SIGTTOU}
	}
	return nil
}

// keyInStack obeys one while a stack is shown.
func (m *model) keyInStack(key string) tea.Cmd {
	switch key {
	case "ctrl+c":
		return tea.Quit
	case "q", "esc", "backspace":
		m.stack = nil
	case "t", "enter":
		return takeStack(m.stack.pid)
	case "up", "k":
		m.stack.first--
	case "down", "j":
		m.stack.first++
	case "pgup":
		m.stack.first -= m.height
	case "pgdown", " ":
		m.stack.first += m.height
	}
	return nil
}

// answer is the user's to a question.
func (m *model) answer(key string) {
	asked := m.asked
	m.asked = nil
	if key != "y" && key != "Y" {
		m.said = "not done"
		return
	}
	m.said = asked.done
	if err := unix.Kill(asked.pid, asked.signal); err != nil {
		m.said = fmt.Sprintf("signalling process %d: %v", asked.pid, err)
	}
}

func (m *model) choose(by int) {
	rows := m.workers()
	if len(rows) == 0 {
		return
	}
	m.chosen = rows[min(max(m.row()+by, 0), len(rows)-1)].PID
}
