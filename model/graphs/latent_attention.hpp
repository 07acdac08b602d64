// Multi-head latent attention (DeepSeek-AI 2024, "DeepSeek-V2", section 2.1), computed in the latent space: the cache has
// a normed latent and a turned key part a token, the same for all heads and on all ranks of a group.
#pragma once

#include "model/architecture.hpp"

namespace troupe::model {

struct AttentionKind;
extern const AttentionKind latent_attention;

// The parts of model/architecture.hpp that families with this attention have in common.
void list_latent_layer(TensorListing& list, const ModelConfig& config, std::int64_t layer);
Expected<void> check_latent_heads(const ModelConfig& config, const ShardingPlan& plan);
CacheForms latent_cache_forms(const ModelConfig& config, const ShardingPlan& plan, kernels::CacheType type);
std::unique_ptr<Decoder> load_latent_decoder(const DecoderOrder& order);
DecoderMemory measure_latent_decoder(const DecoderOrder& order);

// A family that differs from the others in its config.json alone.
constexpr Architecture latent_architecture(decltype(Architecture::read_config) read_config) {
  return {.read_config = read_config,
          .list_layer = list_latent_layer,
          .check_heads = check_latent_heads,
          .cache_forms = latent_cache_forms,
          .load = load_latent_decoder,
          .measure = measure_latent_decoder};
}

}  // namespace troupe::model
