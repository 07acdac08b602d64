#include "launch/sizing/deployment.hpp"

#include "config/speculation.hpp"
#include "runtime/execution/kv_size.hpp"

namespace troupe::launch::sizing {

const std::vector<std::string_view>& memory_flags() {
  static const std::vector<std::string_view> flags{
      "gpu-memory-utilization", "cpu-offload-gb", "kv-cache-dtype",     "max-num-batched-tokens",
      "max-num-seqs",           "block-size",     "speculative-config", "num-speculative-tokens",
      "virtual-shards",         "expert-shards"};
  return flags;
}

Deployment deployment_of(config::Settings& settings, std::int32_t context) {
  runtime::SchedulerLimits& limits = settings.scheduler;
  limits.speculation = config::speculation_of(settings);
  return {.limits = {limits.max_num_batched_tokens, runtime::most_logit_rows(limits), context,
                     limits.speculation.method == DraftMethod::mtp,
                     runtime::kv_cache_type(settings.kv_cache_dtype, context), settings.cpu_offload_bytes()},
          .block_size = limits.block_size,
          .memory_utilization = settings.memory_utilization(),
          .virtual_shards = settings.virtual_shards,
          .expert_shards = settings.expert_shards.value_or(0)};
}

}  // namespace troupe::launch::sizing
