#include "launch/single_rank.hpp"

#include <algorithm>

#include "kernels/cpu/cpu_ops.hpp"
#include "runtime/base/thread_pool.hpp"
#include "transport/host/threads_mesh.hpp"

namespace troupe::launch {

SingleRank::SingleRank(const model::Checkpoint& checkpoint, const config::Settings& settings,
                       const model::DecoderLimits& limits)
    : ops(kernels::make_cpu_ops(compute_threads(settings))),
      communicator(transport::ThreadsMesh(1).communicator(0)),
      decoder(
          model::load_decoder(checkpoint, *ops, {.virtual_shards = int(settings.virtual_shards)}, limits)) {}

int compute_threads(const config::Settings& settings) {
  return settings.threads ? int(*settings.threads) : usable_cpus();
}

model::ShardingPlan sharding(const config::Settings& settings, const model::Checkpoint& checkpoint) {
  model::ShardingPlan plan{.tensor_parallel = int(settings.tensor_parallel_size),
                           .data_parallel = int(settings.data_parallel_size),
                           .expert_parallel = settings.enable_expert_parallel,
                           .virtual_shards = int(settings.virtual_shards)};
  if (const auto possible = model::check_plan(checkpoint.config(), plan); !possible)
    throw Error(possible.error().message, checkpoint.folder().string(),
                "choose other --tensor-parallel-size, --data-parallel-size or --virtual-shards");
  return plan;
}

std::int32_t context_length(const config::Settings& settings, const model::ModelConfig& model) {
  const std::int64_t longest = model.max_position_embeddings;
  if (settings.max_model_len.value_or(longest) > longest)
    throw Error(std::to_string(*settings.max_model_len) + " is more than the " + std::to_string(longest) +
                    " positions that the model was made for",
                "--max-model-len", "lower it or leave it out");
  return std::int32_t(settings.max_model_len.value_or(longest));
}

}  // namespace troupe::launch
