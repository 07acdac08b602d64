#include "launch/sizing/sizing.hpp"

#include <algorithm>

#include "kernels/device.hpp"
#include "runtime/execution/kv_size.hpp"

namespace troupe::launch::sizing {

std::string flags_of(const model::ShardingPlan& plan) {
  return "-tp " + std::to_string(plan.tensor_parallel) +
         (plan.data_parallel > 1 ? " -dp " + std::to_string(plan.data_parallel) : "") +
         (plan.expert_parallel ? " -ep" : "");
}

Sizing::Sizing(const model::Checkpoint& checkpoint, const Deployment& deployment)
    : checkpoint_(checkpoint), deployment_(deployment), ops_(kernels::make_ops("cpu", 1)) {}
Sizing::~Sizing() = default;

Layout Sizing::layout(const model::ShardingPlan& asked) const {
  model::ShardingPlan plan = asked;
  plan.virtual_shards = deployment_.virtual_shards;
  plan.expert_shards = deployment_.expert_shards;
  plan.rank = plan.ranks() - 1;
  Layout layout{.plan = plan};
  if (const auto possible = model::check_plan(checkpoint_.config(), plan); !possible) {
    layout.refusal = possible.error().message;
    return layout;
  }
  layout.memory = model::decoder_memory(checkpoint_, *ops_, plan, deployment_.limits);
  layout.cache_per_token = model::cache_bytes_per_token(
      checkpoint_.config(), plan, deployment_.limits.prediction, deployment_.limits.cache_type);
  return layout;
}

const std::vector<Layout>& Sizing::layouts(std::int32_t ranks) {
  const auto [known, is_new] = layouts_.try_emplace(ranks);
  if (!is_new) return known->second;
  const bool has_experts = checkpoint_.config().n_routed_experts > 0 && ranks > 1;
  for (std::int32_t tensor = ranks; tensor >= 1; tensor /= 2)
    for (const bool whole_experts : {false, true})
      if (has_experts || !whole_experts)
        known->second.push_back(layout(
            {.tensor_parallel = tensor, .data_parallel = ranks / tensor, .expert_parallel = whole_experts}));
  return known->second;
}

std::size_t Sizing::left_for_cache(const Layout& layout, const Gpu& gpu) const {
  const std::size_t used = layout.memory.weights + layout.memory.workspace + deployment_.overhead;
  return runtime::granted_bytes({.memory_utilization = deployment_.memory_utilization},
                                {.limit = gpu.memory, .used = used});
}

std::int64_t Sizing::sequences(const Layout& layout, const Gpu& gpu) const {
  if (!layout.refusal.empty()) return 0;
  const runtime::KvShape shape{layout.cache_per_token, deployment_.block_size,
                               std::int32_t(deployment_.limits.max_positions)};
  const std::int32_t of_a_group =
      runtime::blocks_in(left_for_cache(layout, gpu), shape) / runtime::full_length_blocks(shape);
  return std::int64_t{of_a_group} * layout.plan.data_parallel;
}

std::optional<Choice> Sizing::best(const Gpu& gpu, std::int32_t gpus) {
  Choice best{.gpu = &gpu, .gpus = gpus};
  for (const Layout& layout : layouts(gpus))
    if (const std::int64_t sequences = this->sequences(layout, gpu); sequences > best.sequences)
      best.layout = layout, best.sequences = sequences;
  return best.sequences > 0 ? std::optional(best) : std::nullopt;
}

std::optional<Choice> Sizing::smallest(const Gpu& gpu) {
  const std::size_t weights = checkpoint_.total_bytes(deployment_.limits.prediction);
  for (std::int32_t gpus = 1; gpus <= most_hosts * gpus_of_host; gpus *= 2) {
    // Each weight is somewhere: no layout need be looked at.
    if (weights / std::size_t(gpus) > gpu.memory + deployment_.limits.host_weight_bytes) continue;
    if (auto choice = best(gpu, gpus)) return choice;
  }
  return std::nullopt;
}

}  // namespace troupe::launch::sizing
