package wsgi

import (
	"encoding/binary"
	"strings"
	"time"
)

// zoneOf is the time zone that tzset(3) takes from a TZ variable: a name in the
// zone database, with or without a colon, the path of a zone file, or a rule
// such as JST-9 or CET-1CEST,M3.5.0,M10.5.0/3. What is none of these is UTC.
func zoneOf(tz string) *time.Location {
	name := strings.TrimPrefix(tz, ":")
	if name == "" {
		return time.UTC
	}
	for _, root := range []string{"/usr/share/zoneinfo/", "/etc/zoneinfo/"} {
		name = strings.TrimPrefix(name, root)
	}
	if loc, err := time.LoadLocation(name); err == nil && name != "Local" {
		return loc
	}
	if loc, err := time.LoadLocationFromTZData(tz, zoneRule(tz)); err == nil && ruled(loc) {
		return loc
	}
	return time.UTC
}

// zoneRule is a zone file (RFC 8536) that holds nothing but a rule: the
// standard library reads rules there only.
func zoneRule(rule string) []byte {
	block := func(version byte) []byte {
		b := append([]byte("TZif"), version)
		b = append(b, make([]byte, 15)...)
		for _, count := range []uint32{0, 0, 0, 0, 1, 4} { // one type of time, four bytes of names
			b = binary.BigEndian.AppendUint32(b, count)
		}
		return append(b, 0, 0, 0, 0, 0, 0, 'n', 'i', 'l', 0) // offset, no summer time, its name
	}
	file := append(block('2'), block('2')...)
	return append(append(append(file, '\n'), rule...), '\n')
}

// ruled tells whether the rule was understood: else time has the file's name.
func ruled(loc *time.Location) bool {
	name, _ := time.Unix(0, 0).In(loc).Zone()
	return name != "nil"
}
