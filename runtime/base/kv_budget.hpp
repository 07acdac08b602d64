// How much memory a rank may spend on KV storage. It stands here because a worker, which obeys it, is told of it in a
// message, and those know no kernels. Plain value; any thread.
#pragma once

#include <cstdint>

namespace troupe::runtime {

struct KvBudget {
  std::uint64_t bytes = 0;         // unless 0, so many, and the rest is of no account
  double memory_utilization = 0;   // of the device's memory, what is in use included; in (0, 1]
  std::int32_t ranks_of_host = 1;  // which share the memory of a device that is the host
  std::int32_t max_sequences = 0;  // of full length: never more than these take; 0: no limit
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, KvBudget& x) {
  return f(x.bytes, x.memory_utilization, x.ranks_of_host, x.max_sequences);
}

}  // namespace troupe::runtime
