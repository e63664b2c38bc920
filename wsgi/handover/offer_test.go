package handover

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"gosrv/wsgi/http1/proxyproto"
	"gosrv/wsgi/ipc/scoreboard"
	"gosrv/wsgi/ipc/workerctl"
	"gosrv/wsgi/loop"
)

func TestPacketsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, packet := range []string{"", "abc", "\x00\x00\x00\x00", "\xff\xff\xff\xff{}", "\xff\xff\xff\xff{", "\x02\x00\x00\x00{}", "\x02\x00\x00\x00{}GET", "\x0a\x00\x00\x00{\"next\":9}GET"} {
		if _, _, err := unpack([]byte(packet)); err == nil {
			t.Errorf("%q is read", packet)
		}
	}
}

func TestPacketSaysAllThatIsKnown(t *testing.T) {
	const bytes = "GET / HTTP/1.1\r\n\r\n"
	sent := Offer{Claim: scoreboard.Claim{Slot: 1, Index: 2, Seq: 3}, Listener: "127.0.0.1:80", Peer: netip.MustParseAddrPort("10.0.0.1:99"),
		Trusted: true, Proxied: &proxyproto.Header{Protocol: "TCP6"}, Used: true, Next: len(bytes)}
	got, text, err := unpack(sent.pack(nil, []byte(bytes)))
	if err != nil || string(text) != bytes || got.Proxied.Protocol != "TCP6" {
		t.Fatalf("%+v %q %v", got, text, err)
	}
	got.Proxied = sent.Proxied
	if got != sent {
		t.Errorf("%+v, not %+v", got, sent)
	}
	if sent.pack(nil, make([]byte, MaxBytes+1)) != nil {
		t.Error("more than MaxBytes is packed")
	}
}

func TestWhatTheMasterHasAcceptedIsClaimedByNobody(t *testing.T) {
	sent := workerctl.Arrival{Listener: "unix:/run/shop.sock"}
	got, bytes, err := unpack(sent.Packet())
	if err != nil || !got.Arrived || got.Listener != sent.Listener || got.Peer.IsValid() || len(bytes) > 0 {
		t.Errorf("%+v %q %v", got, bytes, err)
	}
}

// exchange is one that two workers hold.
func exchange(t *testing.T) (a, b *Exchange) {
	t.Helper()
	fd, err := scoreboard.CreateClaims(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { loop.Drop(fd) })
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { loop.Drop(pair[0]); loop.Drop(pair[1]) })
	join := func() *Exchange {
		copied, err := unix.Dup(fd)
		if err != nil {
			t.Fatal(err)
		}
		x := &Exchange{}
		for name, fd := range map[string]int{workerctl.FDExchangeIn: pair[0], workerctl.FDExchangeOut: pair[1], workerctl.FDClaims: copied} {
			if err := x.Add(name, fd); err != nil {
				t.Fatal(err)
			}
		}
		return x
	}
	return join(), join()
}

// A connection is had by one side: the worker that takes it, or the one that
// takes its offer back.
func TestOfferIsHadByOneSide(t *testing.T) {
	for name, takesBack := range map[string]bool{"taken": false, "taken back first": true} {
		a, b := exchange(t)
		conn, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		away := 0
		o := Offer{Listener: "l", Next: 3}
		if !a.Send(0, &o, []byte("GET"), conn[0], func() { away++ }) || away != 1 {
			t.Fatalf("%s: not sent, or watched by two", name)
		}
		if takesBack && !a.Reclaim(o.Claim) {
			t.Errorf("%s: it is not to be had", name)
		}
		got, bytes, fd, empty, err := b.Receive()
		if err != nil || empty || fd < 0 || string(bytes) != "GET" {
			t.Fatalf("%s: %+v %q %d %v", name, got, bytes, fd, err)
		}
		if taken := b.Take(&got); taken == takesBack {
			t.Errorf("%s: the other one has it: %v", name, taken)
		}
		if !takesBack && (a.Reclaim(o.Claim) || !a.Taken(o.Claim)) {
			t.Errorf("%s: its sender does not know", name)
		}
		if _, _, _, empty, _ := b.Receive(); !empty {
			t.Errorf("%s: offered twice", name)
		}
		for _, fd := range []int{fd, conn[0], conn[1]} {
			loop.Drop(fd)
		}
	}
}
