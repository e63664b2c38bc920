package master

import (
	"os"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/listen"
	"gosrv/cmd/gosrv/internal/logs"
	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/statsd"
	"gosrv/wsgi/logs/syslog"
)

// holdings are the descriptors of one generation: its workers get duplicates.
// They belong to the generation and not to the master, so that a reload that
// is abandoned has changed nothing.
type holdings struct {
	sockets   listen.Set // shared with the generation before, where the address is the same
	errorLog  *logs.File
	accessLog *logs.File     // nil: none
	syslog    *syslog.Sender // nil: none
	stats     *statsd.Client // nil: none
}

// openLogs opens what the settings name: files, and the way to syslog and statsd.
func (m *Master) openLogs(h *holdings, p *plan.Plan) error {
	sender, err := m.openSyslog(&p.Worker)
	if err != nil {
		return err
	}
	if err := h.openFiles(p); err != nil {
		return err
	}
	h.syslog, h.stats = sender, openStats(&p.Worker)
	return nil
}

// openFiles opens what the errorlog and accesslog settings name.
func (h *holdings) openFiles(p *plan.Plan) error {
	path := p.Worker.ErrorLog
	if path == "" {
		path = "-"
	}
	errorLog, err := logs.Open(path, 2)
	if err != nil {
		return err
	}
	var accessLog *logs.File
	if p.Worker.AccessLog != "" {
		if accessLog, err = logs.Open(p.Worker.AccessLog, 1); err != nil {
			errorLog.Close()
			return err
		}
	}
	for _, f := range []*logs.File{errorLog, accessLog} {
		if f != nil && (p.Own.User != os.Geteuid() || p.Own.Group != os.Getegid()) {
			_ = f.Chown(p.Own.User, p.Own.Group) // not root: the workers keep our user anyway
		}
	}
	h.errorLog, h.accessLog = errorLog, accessLog
	return nil
}

func (h *holdings) closeLogs() {
	h.errorLog.Close()
	if h.accessLog != nil {
		h.accessLog.Close()
	}
	go h.closeOutlets() // another generation speaks already
}

// closeOutlets sends what is left of lines and metrics.
func (h *holdings) closeOutlets() {
	if h.syslog != nil {
		h.syslog.Close(farewell)
	}
	if h.stats != nil {
		h.stats.Close(farewell)
	}
}

// logFDs names the logs' descriptors for a worker.
func (h *holdings) logFDs() ([]string, []int) {
	names, fds := []string{workerctl.FDErrorLog}, []int{h.errorLog.FD()}
	if h.accessLog != nil {
		names, fds = append(names, workerctl.FDAccessLog), append(fds, h.accessLog.FD())
	}
	return names, fds
}

// closeSockets closes the sockets that kept does not have.
func (h *holdings) closeSockets(kept listen.Set) {
	h.sockets.Replace(kept)
	h.sockets = nil
}

// release closes the sockets that kept does not have. The path of a unix
// socket is not ours to remove while another master serves there.
func (m *Master) release(h *holdings, kept listen.Set) {
	if m.alone() {
		h.closeSockets(kept)
		return
	}
	h.sockets.Leave(kept)
	h.sockets = nil
}

// closeBoard gives the shared memory back.
func (m *Master) closeBoard() {
	if m.board != nil {
		_ = m.board.Close()
		_ = unix.Close(m.boardFD)
		m.board = nil
		m.exchange.close()
	}
}
