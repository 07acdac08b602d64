// One answered request of a bench: when its tokens came. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::launch::load {

// Seconds, as the names of `vllm bench serve` have them. After a failure `error` says why; what came before it stays.
struct Exchange {
  double start = 0;              // since the run began, when the request was sent
  double queue_time = 0;         // between its arrival and its start: it waited for its turn here
  double ttft = 0;               // to the first token
  std::vector<double> itl = {};  // between the events that brought tokens
  double latency = 0;            // to the last one
  std::int32_t prompt_len = 0, output_len = 0;  // tokens, as the server counts them
  std::string error = {};                       // empty: it was answered whole

  bool success() const { return error.empty(); }
};

}  // namespace troupe::launch::load
