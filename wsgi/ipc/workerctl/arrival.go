package workerctl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
)

// Arrival is a connection that the master has accepted in the place of workers, of which nothing was read. It comes over
// the exchange, with the descriptor, and is the receiver's at once: nobody takes it back.
type Arrival struct {
	Listener string         `json:"listener"` // Listener.Name
	Peer     netip.AddrPort `json:"peer"`
}

// arrivalMark begins the packet of an Arrival. Those of offers begin with a length, which is never that.
var arrivalMark = []byte{0xff, 0xff, 0xff, 0xff}

// Packet is the arrival as the exchange has it.
func (a *Arrival) Packet() []byte {
	text, err := json.Marshal(a)
	if err != nil {
		panic(err) // of a text and an address
	}
	return append(bytes.Clone(arrivalMark), text...)
}

// ParseArrival reads a packet; is: it is no offer but an arrival.
func ParseArrival(packet []byte) (a Arrival, is bool, err error) {
	text, is := bytes.CutPrefix(packet, arrivalMark)
	if !is {
		return a, false, nil
	}
	if err = json.Unmarshal(text, &a); err != nil {
		return a, true, fmt.Errorf("reading a connection of the master's: %w", err)
	}
	if a.Listener == "" {
		return a, true, errors.New("a connection of the master's names no listener")
	}
	return a, true, nil
}
