#include "model/decoder.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "model/architecture.hpp"
#include "model/graphs/rope.hpp"

namespace troupe::model {

namespace {

// Every shard is a dot product of its own, so more of them than this only cost time.
constexpr int max_virtual_shards = 256;

bool power_of_two(int n) {
  return n > 0 && std::has_single_bit(unsigned(n));
}

std::string ranks_of(std::int64_t count) {
  return std::to_string(count) + (count == 1 ? " rank" : " ranks");
}

// Each rank that shares a feed-forward layer has a column of it at least.
Expected<void> check_columns(const ModelConfig& config, const ShardingPlan& plan) {
  const auto wide_enough = [](const char* field, std::int64_t columns, int ranks) -> Expected<void> {
    if (columns >= ranks) return {};
    return refuse(ranks_of(ranks) + " are more than the " + std::to_string(columns) + " columns of " + field);
  };
  const std::int64_t layers =
      config.num_hidden_layers + std::min<std::int64_t>(config.num_nextn_predict_layers, 1);
  std::int64_t moe_layers = 0;
  for (std::int64_t layer = 0; layer < layers; ++layer) moe_layers += config.is_moe(layer);
  Expected<void> possible;
  if (moe_layers < layers)
    possible = wide_enough("intermediate_size", config.intermediate_size, plan.tensor_parallel);
  const std::int64_t expert = config.moe_intermediate_size, shared = expert * config.n_shared_experts;
  if (possible && moe_layers > 0 && !plan.expert_parallel)
    possible = wide_enough("moe_intermediate_size", expert, plan.ranks());
  if (possible && moe_layers > 0 && config.n_shared_experts > 0)
    possible = wide_enough("the shared experts", shared, plan.tensor_parallel);
  return possible;
}

// A prediction layer that the checkpoint does not have.
Error no_prediction(const Checkpoint& checkpoint) {
  const std::string layer = "model.layers." + std::to_string(checkpoint.config().num_hidden_layers) + ".";
  return Error(
      "there is no whole prediction layer: of " + layer +
          "eh_proj.weight, enorm.weight, hnorm.weight, shared_head.norm.weight and the decoder layer "
          "beside them some are missing",
      checkpoint.folder().string(),
      "serve it without speculation by the model's own layer, or use a checkpoint with the layer");
}

// Throws Error for what cannot be loaded so.
void check_order(const DecoderOrder& order) {
  const ModelConfig& config = order.checkpoint.config();
  const std::string where = order.checkpoint.folder().string();
  if (Expected<void> possible = check_plan(config, order.plan); !possible)
    throw Error(possible.error().message, where, "choose another number of ranks or virtual shards");
  if (const transport::ExpertPlacement& placement = order.placement; !placement.holders.empty())
    if (Expected<void> possible = check_placement(placement, config.n_routed_experts, order.plan.ranks());
        !possible)
      throw Error(possible.error().message, "placement of experts");
  if (order.limits.max_positions > max_rope_positions)
    throw Error("sequences of " + std::to_string(order.limits.max_positions) +
                    " tokens are over the limit, " + std::to_string(max_rope_positions),
                where, "set a shorter --max-model-len");
  if (order.limits.prediction && config.num_nextn_predict_layers == 0) throw no_prediction(order.checkpoint);
}

}  // namespace

Expected<void> check_even(std::int64_t count, std::string_view things, const ShardingPlan& plan) {
  if (count % plan.tensor_parallel == 0) return {};
  return refuse(std::to_string(count) + " " + std::string(things) + " cannot be split evenly over " +
                ranks_of(plan.tensor_parallel));
}

Expected<void> check_plan(const ModelConfig& config, const ShardingPlan& plan) {
  if (!power_of_two(plan.tensor_parallel))
    return refuse(std::to_string(plan.tensor_parallel) + " tensor-parallel ranks: must be a power of two");
  if (!power_of_two(plan.data_parallel))
    return refuse(std::to_string(plan.data_parallel) + " data-parallel groups: must be a power of two");
  const char* const of_experts = plan.expert_shards == 0 ? " virtual shards" : " shards of an expert";
  for (const auto& [shards, what] :
       {std::pair(plan.virtual_shards, " virtual shards"), {plan.shards_of_expert(), of_experts}})
    if (!power_of_two(shards) || shards > max_virtual_shards)
      return refuse(std::to_string(shards) + what + ": must be a power of two, at most " +
                    std::to_string(max_virtual_shards));
  const std::int64_t all = std::int64_t{plan.tensor_parallel} * plan.data_parallel;
  if (config.n_routed_experts > 0 && !plan.expert_parallel && all > plan.shards_of_expert())
    return refuse(ranks_of(all) + " are more than the " + std::to_string(plan.shards_of_expert()) +
                  of_experts);
  if (plan.tensor_parallel > plan.virtual_shards)
    return refuse(ranks_of(plan.tensor_parallel) + " are more than the " +
                  std::to_string(plan.virtual_shards) + " virtual shards");
  if (plan.rank < 0 || plan.rank >= all)
    return refuse("rank " + std::to_string(plan.rank) + " is not among " + ranks_of(all));
  if (Expected<void> even = architecture_of(config).check_heads(config, plan); !even) return even;
  if (plan.expert_parallel && config.n_routed_experts < all)
    return refuse(std::to_string(config.n_routed_experts) + " experts cannot be spread over " +
                  ranks_of(all));
  return check_columns(config, plan);
}

std::size_t cache_bytes_per_token(const ModelConfig& config, const ShardingPlan& plan, bool prediction,
                                  kernels::CacheType type) {
  return std::size_t((config.num_hidden_layers + prediction) *
                     architecture_of(config).cache_forms(config, plan, type).bytes());
}

void KvCache::poison() {
  const auto queue = ops->make_queue();
  for (const auto* caches : {&layers, &index_keys})
    for (const kernels::LayerCache& layer : *caches)
      ops->fill(*queue, layer.data, std::numeric_limits<float>::quiet_NaN());
  queue->wait(TimePoint::max());
}

std::unique_ptr<Decoder> load_decoder(const Checkpoint& checkpoint, kernels::Ops& ops,
                                      const ShardingPlan& plan, const DecoderLimits& limits,
                                      const LoadObservers& observers,
                                      const transport::ExpertPlacement& placement) {
  const DecoderOrder order{checkpoint, ops, plan, limits, observers, placement};
  check_order(order);
  return architecture_of(checkpoint.config()).load(order);
}

DecoderMemory decoder_memory(const Checkpoint& checkpoint, kernels::Ops& ops, const ShardingPlan& plan,
                             const DecoderLimits& limits) {
  const DecoderOrder order{checkpoint, ops, plan, limits, {}, {}};
  check_order(order);
  return architecture_of(checkpoint.config()).measure(order);
}

}  // namespace troupe::model
