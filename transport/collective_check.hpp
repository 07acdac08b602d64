// Whether the collectives between ranks give the bytes that they promise, by comparison with a plain computation, and how
// long they take. Every rank calls the same functions with the same arguments, on its compute thread.
#pragma once

#include <span>
#include <vector>

#include "runtime/base/clock.hpp"
#include "runtime/base/ticks.hpp"
#include "transport/communicator.hpp"

namespace troupe::transport {

// One small and one large collective of each kind, as sums are made in one exchange or in two. Throws Error that names the
// first one with a wrong byte, and a PeerError when one does not come to an end.
void check_collectives(Communicator& ranks, kernels::Ops& ops, kernels::Queue& queue);

struct CollectiveTime {
  Collective which{};
  std::int64_t bytes = 0;  // that each rank brings
  Duration best{}, median{};
  // What a link of this rank carried in each direction, if the collective is made in the cheapest way there is; per second, at the median.
  // As nccl-tests' "busbw".
  double bytes_per_second = 0;
};
// Each kind at about each of these sizes, several times. bytes: multiples of 4.
std::vector<CollectiveTime> time_collectives(Communicator& ranks, kernels::Ops& ops, kernels::Queue& queue,
                                             std::span<const std::int64_t> bytes);

}  // namespace troupe::transport
