package master

import (
	"fmt"
	"os"
	"strings"
)

// sayWhatServes adds to Gunicorn's start lines what serves, and which settings
// are in force: the two things to look at first when something is not as meant.
func (m *Master) sayWhatServes(p *Plan) {
	if p.Sizing != "" {
		m.log.Infof("Workers: %d = %s", p.worker.Workers, p.Sizing)
	}
	m.log.Infof("Serving %s by %s with %s", p.App, p.crew(), m.opt.Interpreter)
	m.log.Infof("Settings from: %s", p.sources())
}

// crew says how many workers there are, and of what kind.
func (p *Plan) crew() string {
	crew := fmt.Sprintf("%d workers", p.worker.Workers)
	if p.worker.Workers == 1 {
		crew = "1 worker"
	}
	if p.worker.Threads > 1 {
		crew += fmt.Sprintf(" of %d threads", p.worker.Threads)
	}
	return crew
}

// sources lists what the settings were read from, the winning one last.
func (p *Plan) sources() string {
	if len(p.Sources) == 0 {
		return "defaults"
	}
	return strings.Join(p.Sources, ", ")
}

// showCheck says on standard output what would run, when config file and
// application have been loaded without fault. --print-config has said all there
// is to say, in Gunicorn's form.
func (m *Master) showCheck(p *Plan) {
	if p.own.PrintConfig {
		return
	}
	at := strings.Join(p.own.Bind, ", ")
	if m.opt.Activated != nil {
		at = "the sockets passed by systemd"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "gosrv %s would serve %s\n", m.opt.Version, p.App)
	fmt.Fprintf(&b, "  python         %s\n", m.opt.Interpreter)
	fmt.Fprintf(&b, "  workers        %s, class %s\n", p.crew(), p.worker.WorkerClass)
	if p.Sizing != "" {
		fmt.Fprintf(&b, "                 %d = %s\n", p.worker.Workers, p.Sizing)
	}
	fmt.Fprintf(&b, "  listening at   %s\n", at)
	fmt.Fprintf(&b, "  settings from  %s\n", p.sources())
	for _, line := range p.Changed {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	for _, n := range p.Notices {
		fmt.Fprintf(&b, "  note: %s\n", n.Text)
	}
	_, _ = os.Stdout.WriteString(b.String())
}
