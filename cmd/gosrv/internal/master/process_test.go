package master

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosrv/cmd/gosrv/internal/plan"
	"gosrv/cmd/gosrv/internal/system"
	"gosrv/cmd/gosrv/internal/zygotectl"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/logs/errlog"
)

// The test binary plays all roles of the real one, with Go in the place of
// Python: what the operating system does with processes, descriptors and
// signals is real.
func TestMain(m *testing.M) {
	_, zygote := os.LookupEnv("_GOSRV_ZYGOTE")
	switch role := os.Getenv("GOSRV_TEST_ROLE"); {
	case role == "intermediate":
		start("worker", 3, 4)
		os.Exit(0)
	case role == "worker":
		os.Exit(beWorker())
	case zygote:
		os.Exit(beZygote())
	case role == "master":
		os.Exit(beMaster())
	}
	os.Exit(m.Run())
}

func beMaster() int {
	m, err := New(Options{
		Version: "V", Argv: []string{"gosrv"}, Image: system.Image{Shim: func() ([]byte, error) { return []byte("the shim"), nil }},
		Resolve: func(zygotectl.ConfigLoaded) (*plan.Plan, error) {
			var settings map[string]any
			if err := json.Unmarshal([]byte(os.Getenv("GOSRV_TEST_SETTINGS")), &settings); err != nil {
				return nil, err
			}
			return &plan.Plan{App: "app:app", Settings: settings}, nil
		},
	})
	if err != nil {
		return 99
	}
	return m.Run()
}

func beZygote() int {
	unix.CloseOnExec(3)
	shim := make([]byte, 100)
	n, _ := unix.Read(4, shim)
	limit, _ := exec.Command("sh", "-c", "ulimit -Sn").Output()
	conn, log := workerctl.NewConn(3), errlog.New(2, "info")
	log.Infof("zygote facts: shim=%q args=%d files=%s", shim[:n], len(os.Args[0]), limit)
	for {
		typ, raw, fds, err := conn.Recv()
		if err != nil {
			return 0
		}
		switch typ {
		case "LoadConfig":
			err = conn.Send(zygotectl.ConfigLoaded{})
		case "Configure":
			err = conn.Send(zygotectl.Configured{})
		case "SpawnWorker":
			log.Infof("told %s", raw)
			var gone [2]int // its end of file tells the worker who its parent is now
			if err = unix.Pipe2(gone[:], unix.O_CLOEXEC); err == nil {
				pid := start("intermediate", fds[0], gone[0])
				_, err = syscall.Wait4(pid, nil, 0, nil)
			}
			for _, fd := range append(fds, gone[:]...) {
				unix.Close(fd)
			}
		case "Exit":
			return 0
		}
		if err != nil {
			log.Errorf("zygote: %v", err)
			return 1
		}
	}
}

// start runs this binary in another role with fds as descriptors 3 and up.
func start(role string, fds ...int) int {
	env := []string{"GOSRV_TEST_ROLE=" + role, "GOSRV_TEST_SETTINGS=" + os.Getenv("GOSRV_TEST_SETTINGS")}
	files := []uintptr{0, 1, 2}
	for _, fd := range fds {
		files = append(files, uintptr(fd))
	}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{role}, &syscall.ProcAttr{Env: env, Files: files})
	if err != nil {
		os.Exit(98)
	}
	return pid
}

func beWorker() int {
	var end [1]byte
	_, _ = unix.Read(4, end[:]) // end of file: the intermediate process has gone
	conn, log := workerctl.NewConn(3), errlog.New(2, "info")
	_ = conn.Send(workerctl.WorkerSpawned{PID: os.Getpid()})
	var board *scoreboard.Board
	var serve workerctl.Serve
	for {
		typ, raw, fds, err := conn.Recv()
		if err != nil {
			log.Infof("worker sees the end of its channel")
			return 0
		}
		switch typ {
		case "Serve":
			if json.Unmarshal(raw, &serve) != nil || len(fds) != len(serve.FDs) {
				return 97
			}
			if board, err = scoreboard.Open(fds[0]); err != nil {
				return 96
			}
			board.Slot(serve.Worker.Slot).Init(os.Getpid(), serve.Worker.Generation)
			name, _ := unix.Getsockname(fds[2])
			port := name.(*unix.SockaddrInet4).Port
			log.Infof("worker facts: nr=%d gen=%d port=%v", serve.Worker.Nr, serve.Worker.Generation, port == serve.Listeners[0].Port)
			_ = conn.Send(workerctl.WorkerReady{})
			log.Infof("worker ready: parent=%d", os.Getppid())
		case "Drain", "Quit":
			_ = conn.Send(workerctl.WorkerExiting{})
			return 0
		}
	}
}

// server is a master process under test.
type serverProcess struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
	seen  []string
}

func serveReal(t *testing.T, settings string) *serverProcess {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &serverProcess{t: t, cmd: exec.Command(self), lines: make(chan string, 1000)}
	s.cmd.Stderr = w
	s.cmd.Env = append(os.Environ(), "GOSRV_TEST_ROLE=master", "GOSRV_TEST_SETTINGS="+settings)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	go func() {
		for lines := bufio.NewScanner(r); lines.Scan(); {
			s.lines <- lines.Text()
		}
		close(s.lines)
	}()
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait(); r.Close() })
	return s
}

// until reads the log up to a line that matches, and gives its submatches.
func (s *serverProcess) until(pattern string) []string {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-s.lines:
			s.seen = append(s.seen, line)
			if m := re.FindStringSubmatch(line); m != nil {
				return m
			}
			if ok {
				continue
			}
		case <-deadline:
		}
		s.t.Fatalf("no line matches %s:\n%s", pattern, strings.Join(s.seen, "\n"))
	}
}

func (s *serverProcess) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

const twoWorkers = `{"workers":2,"worker_class":"sync","timeout":30,"graceful_timeout":30,"loglevel":"info","errorlog":"-","bind":["127.0.0.1:0"],"backlog":8,"user":0,"group":0}`

func TestRealProcesses(t *testing.T) {
	s := serveReal(t, twoWorkers)
	limit, err := exec.Command("sh", "-c", "ulimit -Sn").Output()
	if err != nil {
		t.Fatal(err)
	}
	facts := s.until(`zygote facts: shim="(.*)" args=(\d+) files=(\d+)`)
	if facts[1] != "the shim" || facts[2] != "400" || facts[3] != strings.TrimSpace(string(limit)) {
		t.Errorf("%v, the limit was %s", facts, limit)
	}
	port := s.until(`Listening at: http://127.0.0.1:(\d+)`)[1]
	master := strconv.Itoa(s.cmd.Process.Pid)
	var worker string
	for range 2 {
		worker = s.until(`\[(\d+)\] \[INFO\] worker ready: parent=` + master + `$`)[1]
	}
	client, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	client.Close()

	pid, _ := strconv.Atoi(worker)
	_ = unix.Kill(pid, unix.SIGKILL)
	s.until(`Worker \(pid:` + worker + `\) was sent SIGKILL! Perhaps out of memory\?`)
	s.until(`worker ready: parent=` + master + `$`)

	s.signal(unix.SIGHUP)
	s.until(`worker facts: nr=0 gen=2 port=true`)
	s.until(`Generation 2 serves`)

	zygote := childNamed(t, s.cmd.Process.Pid, "gosrv: zygote")
	_ = unix.Kill(zygote, unix.SIGKILL)
	s.until(fmt.Sprintf(`Zygote \(pid:%d\) was sent SIGKILL`, zygote))
	s.until(`Zygote \(pid:\d+\) of generation 2 is ready`)

	s.signal(unix.SIGTERM)
	s.until(`Shutting down: Master`)
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
	if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
		c.Close()
		t.Error("something listens still")
	}
}

func TestKilledMasterLeavesNobodyBehind(t *testing.T) {
	s := serveReal(t, twoWorkers)
	var workers []int
	for range 2 {
		pid, _ := strconv.Atoi(s.until(`\[(\d+)\] \[INFO\] worker ready`)[1])
		workers = append(workers, pid)
	}
	zygote := childNamed(t, s.cmd.Process.Pid, "gosrv: zygote")
	s.signal(unix.SIGKILL)
	for range 2 {
		s.until(`worker sees the end of its channel`)
	}
	// Who holds the log pipe has not gone: its end is the proof.
	for range s.lines {
	}
	for _, pid := range append(workers, zygote) {
		if title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && len(title) > 0 {
			t.Errorf("process %d (%q) is left", pid, title)
		}
	}
}

// childNamed finds the youngest child of pid by the beginning of its command line.
func childNamed(t *testing.T, pid int, name string) int {
	t.Helper()
	tasks, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Fields(string(tasks))
	others, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid)) // children belong to the thread that made them
	for _, o := range others {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, o.Name()))
		all = append(all, strings.Fields(string(b))...)
	}
	found := 0
	for _, child := range all {
		line, _ := os.ReadFile("/proc/" + child + "/cmdline")
		if strings.HasPrefix(string(line), name) {
			n, _ := strconv.Atoi(child)
			found = max(found, n)
		}
	}
	if found == 0 {
		t.Fatalf("no child named %q", name)
	}
	return found
}
