-- Bodies in turn, one a line of the file that is the first argument. The header of the second argument is added.

local requests, index = {}, 0

function init(arguments)
  local headers = { ["Content-Type"] = "application/json" }
  if arguments[2] then headers["Connection"] = arguments[2] end
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("POST", wrk.path, headers, body)
  end
end

function request()
  index = index % #requests + 1
  return requests[index]
end

function done(summary, latency)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format(
    "RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration, failed, summary.errors.status,
    latency:percentile(50), latency:percentile(99)
  ))
end
