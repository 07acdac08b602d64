#include "model/decoder.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "model/deepseek_v3.hpp"
#include "model/rope.hpp"

namespace troupe::model {

namespace {

// Every shard is a dot product of its own, so more of them than this only cost time.
constexpr int max_virtual_shards = 256;

bool power_of_two(int n) {
  return n > 0 && std::has_single_bit(unsigned(n));
}

}  // namespace

Expected<void> check_plan(const ModelConfig& config, const ShardingPlan& plan) {
  const std::string ranks = std::to_string(plan.ranks) + (plan.ranks == 1 ? " rank" : " ranks");
  if (!power_of_two(plan.ranks)) return refuse(ranks + ": the number of ranks must be a power of two");
  if (plan.rank < 0 || plan.rank >= plan.ranks)
    return refuse("rank " + std::to_string(plan.rank) + " is not among " + ranks);
  if (!power_of_two(plan.virtual_shards) || plan.virtual_shards > max_virtual_shards)
    return refuse(std::to_string(plan.virtual_shards) + " virtual shards: must be a power of two, at most " +
                  std::to_string(max_virtual_shards));
  if (plan.ranks > plan.virtual_shards)
    return refuse(ranks + " are more than the " + std::to_string(plan.virtual_shards) + " virtual shards");
  if (config.num_attention_heads % plan.ranks != 0)
    return refuse(std::to_string(config.num_attention_heads) +
                  " attention heads cannot be split evenly over " + ranks);
  if (plan.expert_parallel && config.n_routed_experts < plan.ranks)
    return refuse(std::to_string(config.n_routed_experts) + " experts cannot be spread over " + ranks);
  auto too_narrow = [&](const char* field, std::int64_t columns) {
    return refuse(ranks + " are more than the " + std::to_string(columns) + " columns of " + field);
  };
  std::int64_t moe_layers = 0;
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) moe_layers += config.is_moe(layer);
  if (moe_layers < config.num_hidden_layers && config.intermediate_size < plan.ranks)
    return too_narrow("intermediate_size", config.intermediate_size);
  if (moe_layers > 0 && config.moe_intermediate_size < plan.ranks)
    return too_narrow("moe_intermediate_size", config.moe_intermediate_size);
  return {};
}

std::size_t cache_bytes_per_token(const ModelConfig& config) {
  return std::size_t(config.num_hidden_layers * (config.kv_lora_rank + config.qk_rope_head_dim)) *
         sizeof(float);
}

void KvCache::poison() {
  for (const kernels::LatentCache& layer : layers)
    std::fill_n(layer.data.as<float>(), layer.data.elements(), std::numeric_limits<float>::quiet_NaN());
}

std::unique_ptr<Decoder> load_decoder(const Checkpoint& checkpoint, kernels::Ops& ops,
                                      const ShardingPlan& plan, const DecoderLimits& limits,
                                      Progress* progress) {
  const std::string& architecture = checkpoint.config().architecture;
  if (architecture != "DeepseekV3ForCausalLM")
    throw Error("no decoder for the architecture " + architecture, checkpoint.folder().string(),
                "serve a DeepseekV3ForCausalLM checkpoint");
  if (Expected<void> possible = check_plan(checkpoint.config(), plan); !possible)
    throw Error(possible.error().message, checkpoint.folder().string(),
                "choose another number of ranks or virtual shards");
  if (limits.max_positions > max_rope_positions)
    throw Error("sequences of " + std::to_string(limits.max_positions) + " tokens are over the limit, " +
                    std::to_string(max_rope_positions),
                checkpoint.folder().string(), "set a shorter --max-model-len");
  return load_deepseek_v3(checkpoint, ops, plan, limits, progress);
}

}  // namespace troupe::model
