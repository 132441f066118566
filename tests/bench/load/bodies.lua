-- Bodies in turn, one a line of the file that is the first argument. The header of the second argument is added, if any.
-- In the place of the third, some digits, each request has a number of its own; the first follows the fourth argument.
-- With a fifth argument answers are counted by their status, which costs wrk time for each.

local threads, requests, index, number, mark = {}, {}, 0, 0, ""
statuses = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function init(arguments)
  local headers = { ["Content-Type"] = "application/json" }
  if arguments[2] and arguments[2] ~= "" then headers["Connection"] = arguments[2] end
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("POST", wrk.path, headers, body)
  end
  mark, number = arguments[3], tonumber(arguments[4])
  if arguments[5] then
    response = function(status) statuses[status] = (statuses[status] or 0) + 1 end
  end
end

function request()
  index, number = index % #requests + 1, (number + 1) % 10 ^ #mark
  return (requests[index]:gsub(mark, string.format("%0" .. #mark .. "d", number)))
end

function done(summary, latency)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format(
    "RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration, failed, summary.errors.status,
    latency:percentile(50), latency:percentile(99)
  ))
  for _, thread in ipairs(threads) do
    for status, number in pairs(thread:get("statuses")) do io.write(string.format("STATUS %d %d\n", status, number)) end
  end
end
