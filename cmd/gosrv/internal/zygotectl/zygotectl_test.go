package zygotectl

import (
	"encoding/json"
	"errors"
	"io"
	"testing"

	"gosrv/wsgi/ipc/workerctl"
)

func TestMessagesCarryTheNamesTheShimReads(t *testing.T) {
	a, fd, err := workerctl.Pair()
	if err != nil {
		t.Fatal(err)
	}
	b := workerctl.NewConn(fd)
	defer a.Close()
	defer b.Close()
	path := "/etc/conf.py"
	for _, c := range []struct {
		msg  workerctl.Message
		want string
	}{
		{LoadConfig{}, `{"type":"LoadConfig","path":null,"explicit":false,"argv":null,"dir":"","started":0}`},
		{LoadConfig{Path: &path, Explicit: true, Argv: []string{"gosrv", "a:b"}, Dir: "/srv", Started: 7},
			`{"type":"LoadConfig","path":"/etc/conf.py","explicit":true,"argv":["gosrv","a:b"],"dir":"/srv","started":7}`},
		{Configure{Settings: map[string]any{"workers": 2}, App: "a:b", Env: map[string]string{"K": "V"}, Software: "gosrv/V", MasterPID: 1, Generation: 2},
			`{"type":"Configure","settings":{"workers":2},"app":"a:b","argv":null,"env":{"K":"V"},"software":"gosrv/V","master_pid":1,"generation":2,"parent":0,"systemd":false,"share_stdlib":false,"about":null}`},
		{ImportStdlib{Modules: []string{"email", "email.mime"}}, `{"type":"ImportStdlib","modules":["email","email.mime"]}`},
		{SpawnWorker{Nr: 1, Age: 2, Generation: 3}, `{"type":"SpawnWorker","nr":1,"age":2,"generation":3}`},
		{RunHook{Name: "nworkers_changed", Args: []any{2, 1}, Workers: 2}, `{"type":"RunHook","name":"nworkers_changed","args":[2,1],"num_workers":2}`},
		{WorkerStarted{Nr: 1, Age: 2, PID: 3}, `{"type":"WorkerStarted","nr":1,"age":2,"pid":3}`},
		{WorkerEnded{Nr: 1, Age: 2, PID: 3, Hook: true}, `{"type":"WorkerEnded","nr":1,"age":2,"pid":3,"hook":true}`},
		{ReopenLogs{}, `{"type":"ReopenLogs"}`},
		{Exit{}, `{"type":"Exit"}`},
	} {
		if err := a.Send(c.msg); err != nil {
			t.Fatal(err)
		}
		typ, raw, _, err := b.Recv()
		if err != nil || typ != c.msg.Type() || string(raw) != c.want {
			t.Errorf("got %s %s %v, want %s", typ, raw, err, c.want)
		}
	}
}

func TestConfigLoadedKeepsValuesAsTheyAre(t *testing.T) {
	var m ConfigLoaded
	err := json.Unmarshal([]byte(`{"type":"ConfigLoaded","path":null,"settings":{"bind":["a"],"workers":2},"callables":{"on_exit":1}}`), &m)
	if err != nil || m.Path != nil || string(m.Settings["bind"]) != `["a"]` || m.Callables["on_exit"] != 1 {
		t.Errorf("%+v %v", m, err)
	}
}

func TestWatchWakesForDataThatWaitsAndForEOF(t *testing.T) {
	w, err := NewWatch()
	if err != nil {
		t.Fatal(err)
	}
	a, fd, err := workerctl.Pair()
	if err != nil {
		t.Fatal(err)
	}
	b := workerctl.NewConn(fd)
	defer a.Close()
	if err := b.Send(Exit{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Add(a.FD()); err != nil {
		t.Fatal(err)
	}
	<-w.Arrivals()
	if typ, _, _, err := a.TryRecv(); typ != "Exit" || err != nil {
		t.Fatalf("%s %v", typ, err)
	}
	if _, _, _, err := a.TryRecv(); !errors.Is(err, workerctl.ErrWouldBlock) {
		t.Fatal(err)
	}
	b.Close()
	<-w.Arrivals()
	if _, _, _, err := a.TryRecv(); err != io.EOF {
		t.Errorf("%v, want EOF", err)
	}
}
