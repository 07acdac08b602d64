#include "launch/single_rank.hpp"

#include <sched.h>

#include <algorithm>

#include "kernels/cpu/cpu_ops.hpp"
#include "transport/local/local.hpp"

namespace troupe::launch {

SingleRank::SingleRank(const model::Checkpoint& checkpoint, const config::Settings& settings,
                       const model::DecoderLimits& limits)
    : ops(kernels::make_cpu_ops(compute_threads(settings))),
      communicator(transport::LocalMesh(1).communicator(0)),
      decoder(
          model::load_decoder(checkpoint, *ops, {.virtual_shards = int(settings.virtual_shards)}, limits)) {}

int compute_threads(const config::Settings& settings) {
  if (settings.threads) return int(*settings.threads);
  cpu_set_t allowed;
  CHECK(sched_getaffinity(0, sizeof allowed, &allowed) == 0, "sched_getaffinity");
  return std::max(1, CPU_COUNT(&allowed));
}

}  // namespace troupe::launch
