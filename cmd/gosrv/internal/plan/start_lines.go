package plan

import (
	"fmt"
	"strings"
)

// StartLines adds to Gunicorn's start lines what serves, and which settings are
// in force: the two things to look at first when something is not as meant.
// interpreter is Python as people write it.
func (p *Plan) StartLines(interpreter string) []string {
	var lines []string
	if p.Sizing != "" {
		lines = append(lines, fmt.Sprintf("Workers: %d = %s", p.Worker.Workers, p.Sizing))
	}
	return append(lines,
		fmt.Sprintf("Serving %s by %s with %s", p.App, p.workforce(), interpreter),
		"Settings from: "+p.origins())
}

// workforce says how many workers there are, and of what kind.
func (p *Plan) workforce() string {
	text := fmt.Sprintf("%d workers", p.Worker.Workers)
	if p.Worker.Workers == 1 {
		text = "1 worker"
	}
	if p.Worker.Threads > 1 {
		text += fmt.Sprintf(" of %d threads", p.Worker.Threads)
	}
	return text
}

// origins lists what the settings were read from, the winning one last.
func (p *Plan) origins() string {
	if len(p.Sources) == 0 {
		return "defaults"
	}
	return strings.Join(p.Sources, ", ")
}

// Check says what would run, for --check-config: version is gosrv's, at where it
// would listen, "" for what bind says.
func (p *Plan) Check(version, interpreter, at string) string {
	if at == "" {
		at = strings.Join(p.Own.Bind, ", ")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "gosrv %s would serve %s\n", version, p.App)
	fmt.Fprintf(&b, "  python         %s\n", interpreter)
	fmt.Fprintf(&b, "  workers        %s, class %s\n", p.workforce(), p.Worker.WorkerClass)
	if p.Sizing != "" {
		fmt.Fprintf(&b, "                 %d = %s\n", p.Worker.Workers, p.Sizing)
	}
	fmt.Fprintf(&b, "  listening at   %s\n", at)
	fmt.Fprintf(&b, "  settings from  %s\n", p.origins())
	for _, line := range p.Changed {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	for _, n := range p.Notices {
		fmt.Fprintf(&b, "  note: %s\n", n.Text)
	}
	return b.String()
}
