package issuer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	directory "github.com/mholt/acmez/v3/acme"

	"gosrv/cmd/gosrv/internal/acme"
)

// short is what an error comes to, on one line.
func short(err error) string {
	var problem directory.Problem
	if errors.As(err, &problem) {
		text := problem.Detail
		for _, sub := range problem.Subproblems {
			text += "; " + sub.Detail
		}
		return fmt.Sprintf("%s (%s)", strings.TrimSuffix(oneLine(text), "."), strings.TrimPrefix(problem.Type, "urn:ietf:params:acme:error:"))
	}
	var at *url.Error
	if errors.As(err, &at) {
		return oneLine(fmt.Sprintf("%s: %v", at.URL, at.Err))
	}
	return oneLine(err.Error())
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// advice says what to do about an error.
func advice(err error, name string, o *acme.Order) string {
	ports := "port 443"
	if o.HTTP {
		ports = "ports 443 and 80"
	}
	var problem directory.Problem
	if !errors.As(err, &problem) {
		var unreachable net.Error
		if errors.As(err, &unreachable) || errors.Is(err, context.DeadlineExceeded) {
			return "The directory cannot be reached from here: look whether it is up (" + o.Directory + "), and at firewall, proxy and DNS of this machine"
		}
		return "Look at acme_storage (" + o.Storage + ") and at the directory (" + o.Directory + ")"
	}
	switch problem.Type {
	case directory.ProblemTypeRateLimited:
		return "The directory's limit is reached; it is asked less often now. For trials take its staging directory"
	case directory.ProblemTypeConnection, directory.ProblemTypeTLS:
		return fmt.Sprintf("The directory asked for %s, and did not get through to this server: %s of the address that DNS has for it must lead here, past firewall and router", name, ports)
	case directory.ProblemTypeDNS:
		return fmt.Sprintf("DNS has no address for %s: enter this machine's, or take the name out of acme_domain", name)
	case directory.ProblemTypeUnauthorized, directory.ProblemTypeIncorrectResponse:
		return fmt.Sprintf("Another server answers for %s: its DNS records, those for IPv6 too, and what stands before this server must lead here by %s", name, ports)
	case directory.ProblemTypeRejectedIdentifier:
		return fmt.Sprintf("The directory issues nothing for %s: look how it is written in acme_domain", name)
	case directory.ProblemTypeCAA:
		return fmt.Sprintf("The CAA records of %s allow this directory nothing: change them in DNS", name)
	case directory.ProblemTypeUserActionRequired:
		return "The directory wants you to do something first, most often to agree to new terms"
	case directory.ProblemTypeExternalAccountRequired:
		return "This directory wants an account made on its site (external account binding), which gosrv does not do: take another directory"
	case directory.ProblemTypeInvalidContact, directory.ProblemTypeUnsupportedContact:
		return "The directory does not take acme_email: change it"
	}
	return "The directory (" + o.Directory + ") has refused; its own words are above"
}

// Pauses after failures. A directory that was not reached has counted nothing, so it is tried
// again soon; failed challenges are counted, at Let's Encrypt five an hour for a name.
var (
	soon = []time.Duration{5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}
	slow = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour}
)

// pause is how long to wait after so many failures in a row, with jitter.
func pause(err error, fails int) time.Duration {
	steps := soon
	var problem directory.Problem
	if errors.As(err, &problem) {
		if steps = slow; problem.Type == directory.ProblemTypeRateLimited {
			fails = len(steps)
		}
	}
	return jittered(steps[min(fails, len(steps))-1])
}
