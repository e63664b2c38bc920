package exposition

import "github.com/prometheus/client_golang/prometheus"

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gosrv_"+name, help, labels, nil)
}

// What is shown, by Prometheus's rules for names: base units, counters end in
// _total. docs/monitoring.md has the same list for people.
var (
	buildInfo  = desc("build_info", "1; the labels say what runs.", "version", "application")
	startTime  = desc("start_time_seconds", "Unix time at which the master was started.")
	up         = desc("ready", "1 if a worker of the wanted generation takes requests, as /readyz says, else 0.")
	generation = desc("generation", "Number of the generation that serves: it grows with each reload.")
	reloads    = desc("reloads_total", "Reloads (HUP), by outcome.", "outcome")
	reloadedOK = desc("last_reload_successful", "1 if the last reload brought the new code and settings, or there was none; else 0.")
	endings    = desc("worker_exits_total", "Workers that have ended, by cause.", "cause")

	wanted     = desc("workers_wanted", "Workers that the settings ask for.")
	states     = desc("workers", "Workers by what they do.", "state")
	threads    = desc("threads", "Threads of all ready workers that can run the application; with greenlets, places for requests (worker_connections).")
	busy       = desc("threads_busy", "Threads that are inside the application; with greenlets, requests.")
	used       = desc("capacity_used_ratio", "Share of the threads' time that requests took in the last ten seconds, 0 to 1.")
	backlog    = desc("backlog_connections", "Connections that wait to be accepted.")
	acceptWait = desc("accept_wait_seconds", "How long connections wait to be accepted: those that wait, on average of the last ten seconds, over those accepted in a second.")
	openStates = desc("connections_by_state", "Open client connections by what they are at, a second ago at most.", "state")
	open       = desc("connections", "Open client connections.")
	rss        = desc("worker_resident_bytes", "Resident memory of a worker.", "worker")
	pss        = desc("worker_proportional_bytes", "Memory of a worker, with what is shared counted in parts (PSS).", "worker")
	shared     = desc("worker_shared_bytes", "Resident memory of a worker that other processes have, too: what was preloaded, and files.", "worker")
	cpu        = desc("worker_cpu_seconds_total", "Time that a worker had a processor, in Python and in the server.", "worker")
	workerAge  = desc("worker_age_seconds", "Time since a worker was forked.", "worker")

	requests = desc("http_requests_total", "Requests that were answered, by method and class of the status.", "method", "class")
	duration = desc("http_request_duration_seconds", "From a request's first byte to the end of its answer.")
	phase    = desc("http_request_phase_seconds", "What requests waited for: body (the client sends), queue (the server has others to serve), gil (other threads of Python run), application, first_byte (up to the head, of answers in pieces), send (the client takes its time).", "phase")
	refused  = desc("http_requests_refused_total", "Requests refused before the application saw them, by what is wrong with them.", "part")
	timeouts = desc("timeouts_total", "Time-outs, by what took too long.", "of")
	checked  = desc("health_checks_total", "Requests answered at health_path; they count nowhere else.")
	ignored  = desc("request_start_ignored_total", "Requests of trusted proxies whose X-Request-Start makes no sense, or is in the future.")
	lost     = desc("log_lines_lost_total", "Lines of the access log, or for syslog, that were not taken in time.")
	accepted = desc("connections_accepted_total", "Client connections accepted.")
	gone     = desc("clients_gone_total", "Clients that left before their answer was complete.")
	received = desc("http_received_bytes_total", "Bytes of requests.")
	sent     = desc("http_sent_bytes_total", "Bytes of answers, as the kernel took them.")

	certificate = desc("certificate_left_seconds", "Time until a TLS certificate expires; below zero: it has. Those with the same names differ in their number.", "number", "names")

	routeTime   = desc("route_application_seconds", "Time in the application, by environ[\"gosrv.route\"].", "route")
	routeQueue  = desc("route_queue_seconds_total", "Time that requests of a route waited for their turn.", "route")
	routeGIL    = desc("route_gil_seconds_total", "Time that requests of a route waited for the GIL.", "route")
	routeFailed = desc("route_failures_total", "Answers of class 5xx of a route.", "route")
)
