// One rank of a model in this process, for commands that compute without a server. One owner, which computes.
#pragma once

#include <memory>
#include <string_view>

#include "config/settings.hpp"
#include "kernels/ops.hpp"
#include "model/decoder.hpp"
#include "transport/communicator.hpp"

namespace troupe::launch {

struct SingleRank {
  // Reads all weights. Uses settings' device, threads, virtual_shards and expert_shards. The checkpoint outlives it. Throws Error.
  SingleRank(const model::Checkpoint& checkpoint, const config::Settings& settings,
             const model::DecoderLimits& limits);

  transport::Communicators communicators() { return {*communicator, *communicator}; }

  std::unique_ptr<kernels::Ops> ops;
  std::unique_ptr<kernels::Queue> queue;
  std::unique_ptr<transport::Communicator> communicator;
  std::unique_ptr<model::Decoder> decoder;
};

// How the settings cut the model, but for the rank. Throws Error, with the numbers, when it cannot be cut so.
model::ShardingPlan sharding(const config::Settings& settings, const model::Checkpoint& checkpoint);

// --max-model-len, or as many positions as the model was made for. Throws Error for more than those, which names the flag.
std::int32_t context_length(const config::Settings& settings, const model::ModelConfig& model,
                            std::string_view flag = "--max-model-len");

}  // namespace troupe::launch
