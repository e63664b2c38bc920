package wsgi

import (
	"testing"
	"time"
)

func TestTimeZoneIsThatOfTZ(t *testing.T) {
	winter, summer := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC), time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	for tz, want := range map[string][2]string{
		"":                               {"+0000", "+0000"},
		"UTC":                            {"+0000", "+0000"},
		"UTC-3":                          {"+0300", "+0300"},
		"UTC0":                           {"+0000", "+0000"},
		"Europe/Berlin":                  {"+0100", "+0200"},
		":America/New_York":              {"-0500", "-0400"},
		"/usr/share/zoneinfo/Asia/Tokyo": {"+0900", "+0900"},
		"JST-9":                          {"+0900", "+0900"},
		"<+0330>-3:30":                   {"+0330", "+0330"},
		"CET-1CEST,M3.5.0,M10.5.0/3":     {"+0100", "+0200"},
		"Local":                          {"+0000", "+0000"},
		"No/Such_Zone":                   {"+0000", "+0000"},
	} {
		loc := zoneOf(tz)
		if got := [2]string{winter.In(loc).Format("-0700"), summer.In(loc).Format("-0700")}; got != want {
			t.Errorf("%q: %v, want %v", tz, got, want)
		}
	}
}
