#include "launch/single_rank.hpp"

#include <algorithm>

#include "kernels/device.hpp"
#include "transport/lone_communicator.hpp"

namespace troupe::launch {

SingleRank::SingleRank(const model::Checkpoint& checkpoint, const config::Settings& settings,
                       const model::DecoderLimits& limits)
    : ops(kernels::make_ops(settings.device, settings.compute_threads())),
      queue(ops->make_queue()),
      communicator(transport::lone_communicator(ops.get())),
      decoder(model::load_decoder(
          checkpoint, *ops,
          {.virtual_shards = settings.virtual_shards, .expert_shards = settings.expert_shards.value_or(0)},
          limits)) {}

model::ShardingPlan sharding(const config::Settings& settings, const model::Checkpoint& checkpoint) {
  model::ShardingPlan plan{.tensor_parallel = settings.tensor_parallel_size,
                           .data_parallel = settings.data_parallel_size,
                           .expert_parallel = settings.enable_expert_parallel,
                           .virtual_shards = settings.virtual_shards,
                           .expert_shards = settings.expert_shards.value_or(0)};
  if (const auto possible = model::check_plan(checkpoint.config(), plan); !possible)
    throw Error(
        possible.error().message, checkpoint.folder().string(),
        "choose other --tensor-parallel-size, --data-parallel-size, --virtual-shards or --expert-shards");
  return plan;
}

std::int32_t context_length(const config::Settings& settings, const model::ModelConfig& model,
                            std::string_view flag) {
  const auto longest = std::int32_t(model.max_position_embeddings);
  if (settings.max_model_len.value_or(longest) > longest)
    throw Error(std::to_string(*settings.max_model_len) + " is more than the " + std::to_string(longest) +
                    " positions that the model was made for",
                std::string(flag), "lower it or leave it out");
  return settings.max_model_len.value_or(longest);
}

}  // namespace troupe::launch
