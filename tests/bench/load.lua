-- What wrk sends: the requests of a file, each behind a line with its size in bytes, over and over. The file's name is
-- the first argument. With one request in it wrk never calls back; with more, REQUESTS=many selects the turning list.
-- The result leaves as one line of JSON.

local list, at = {}, 0

local function load(name)
	local file = assert(io.open(name, "rb"))
	while true do
		local size = file:read("*l")
		if not size then break end
		list[#list + 1] = file:read(tonumber(size))
		file:read(1)
	end
	file:close()
end

function init(args)
	load(args[1])
	wrk.format = function() return list[1] end
end

if os.getenv("REQUESTS") == "many" then
	function request()
		at = at % #list + 1
		return list[at]
	end
end

function done(summary, latency, requests)
	local e = summary.errors
	io.write(string.format(
		'\n@{"requests": %d, "seconds": %.6f, "bytes": %.0f, "p50": %.4f, "p99": %.4f, "p99.9": %.4f, "max": %.4f, ' ..
		'"errors": {"connect": %d, "read": %d, "write": %d, "timeout": %d, "status": %d}}\n',
		summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
		latency:percentile(99.9) / 1000, latency.max / 1000, e.connect, e.read, e.write, e.timeout, e.status))
end
