// Sends a bench's requests at their times, or as fast as its concurrency lets it. Called once a run, by the
// thread that runs the client's io_context.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "launch/load/stream_client.hpp"

namespace troupe::launch::load {

struct Load {
  std::string target;                // "/v1/completions"
  std::vector<std::string> bodies;   // in the order in which they are sent
  std::vector<double> arrivals;      // seconds, one of each body; empty: all at once
  std::int32_t max_concurrency = 0;  // requests at a time; 0: no limit
};

// All exchanges, in the order of the bodies. done(exchange) is called as each ends.
net::awaitable<std::vector<Exchange>> send(StreamClient& client, const Load& load,
                                           std::function<void(const Exchange&)> done);

}  // namespace troupe::launch::load
