package generation

import (
	"fmt"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/certs"
	"gosrv/wsgi/ipc/challenges"
	"gosrv/wsgi/ipc/metrics"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
)

// minSlots is the least size of the scoreboard: TTIN and reloads need more
// slots than there are workers.
const minSlots = 1024

// ExchangeNames are the names of the exchange's descriptors.
var ExchangeNames = []string{workerctl.FDExchangeIn, workerctl.FDExchangeOut, workerctl.FDClaims}

// Shared is what the workers of all generations have in common. The zero value is
// nothing yet.
type Shared struct {
	Board   *scoreboard.Board
	BoardFD int
	// Exchange is over what workers with one thread hand connections to each other
	// while they are busy: what the old workers of a reload cannot serve at once the
	// new ones may. Named as in ExchangeNames.
	Exchange []int
	// Tickets are the keys by which TLS clients resume with any worker of any generation.
	Tickets certs.Store
	// questions is what workers answer an ACME directory; nil: nobody has ordered anything yet.
	questions *challenges.File
	// Metrics are the files in which workers count and measure, by slot. They outlive
	// the workers, so that nothing that was counted is lost.
	Metrics map[int]int
}

// Open makes it for a server that begins with so many workers.
func (s *Shared) Open(workers int) (err error) {
	if s.Board, s.BoardFD, err = scoreboard.Create(max(minSlots, 4*workers)); err != nil {
		return err
	}
	claims, err := scoreboard.CreateClaims(s.Board.Slots())
	if err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		_ = unix.Close(claims)
		return fmt.Errorf("making the exchange: %w", err)
	}
	s.Exchange = []int{pair[0], pair[1], claims}
	return nil
}

// Asked is the descriptor of the challenges.File, which is made when it is needed first.
func (s *Shared) Asked() (fd int, err error) {
	if s.questions == nil {
		if s.questions, err = challenges.New(); err != nil {
			return -1, err
		}
	}
	return s.questions.FD(), nil
}

// Measure adds the file of a slot to a worker's order and to its descriptors; the
// first time it is made.
func (s *Shared) Measure(slot int, serve *workerctl.Serve, fds []int, log *errlog.Logger) []int {
	fd, made := s.Metrics[slot]
	if !made {
		var err error
		if fd, err = metrics.Create(slot); err != nil {
			log.Warningf("Worker %d measures nothing: %v", serve.Worker.Nr, err)
			return fds
		}
		if s.Metrics == nil {
			s.Metrics = map[int]int{}
		}
		s.Metrics[slot] = fd
	}
	serve.FDs = append(serve.FDs, workerctl.FDMetrics)
	return append(fds, fd)
}

// Request names what the worker with that slot and process is at inside the
// application, the oldest if there are several; "" if nothing.
func (s *Shared) Request(slot, pid int) string {
	if s.Board == nil {
		return ""
	}
	r := s.Board.Snapshot(slot)
	if r.PID != pid || r.Start == 0 {
		return ""
	}
	return errlog.Printable(r.Method) + " " + errlog.Printable(r.Path)
}

// Close gives everything back.
func (s *Shared) Close() {
	if s.Board == nil {
		return
	}
	_ = s.Board.Close()
	_ = unix.Close(s.BoardFD)
	for _, fd := range s.Exchange {
		_ = unix.Close(fd)
	}
	for _, fd := range s.Metrics {
		_ = unix.Close(fd)
	}
	if s.questions != nil {
		_ = unix.Close(s.questions.FD())
	}
	*s = Shared{Tickets: s.Tickets}
}
