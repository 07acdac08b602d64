#include "launch/single_rank.hpp"

#include <algorithm>

#include "kernels/cpu/cpu_ops.hpp"
#include "transport/host/threads_mesh.hpp"

namespace troupe::launch {

SingleRank::SingleRank(const model::Checkpoint& checkpoint, const config::Settings& settings,
                       const model::DecoderLimits& limits)
    : ops(kernels::make_cpu_ops(settings.compute_threads())),
      communicator(transport::ThreadsMesh(1).communicator(0)),
      decoder(model::load_decoder(checkpoint, *ops, {.virtual_shards = settings.virtual_shards}, limits)) {}

model::ShardingPlan sharding(const config::Settings& settings, const model::Checkpoint& checkpoint) {
  model::ShardingPlan plan{.tensor_parallel = settings.tensor_parallel_size,
                           .data_parallel = settings.data_parallel_size,
                           .expert_parallel = settings.enable_expert_parallel,
                           .virtual_shards = settings.virtual_shards};
  if (const auto possible = model::check_plan(checkpoint.config(), plan); !possible)
    throw Error(possible.error().message, checkpoint.folder().string(),
                "choose other --tensor-parallel-size, --data-parallel-size or --virtual-shards");
  return plan;
}

std::int32_t context_length(const config::Settings& settings, const model::ModelConfig& model) {
  const auto longest = std::int32_t(model.max_position_embeddings);
  if (settings.max_model_len.value_or(longest) > longest)
    throw Error(std::to_string(*settings.max_model_len) + " is more than the " + std::to_string(longest) +
                    " positions that the model was made for",
                "--max-model-len", "lower it or leave it out");
  return settings.max_model_len.value_or(longest);
}

}  // namespace troupe::launch
