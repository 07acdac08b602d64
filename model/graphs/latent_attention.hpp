// Multi-head latent attention (DeepSeek-AI 2024, "DeepSeek-V2", section 2.1), computed in the latent space: the cache has
// a normed latent and a turned key part a token, the same for all heads and on all ranks of a group.
#pragma once

#include "model/architecture.hpp"

namespace troupe::model {

struct AttentionKind;
extern const AttentionKind latent_attention;

// What families with this attention have in model/architecture.hpp.
void list_latent_layer(TensorListing& list, const ModelConfig& config, std::int64_t layer);
Expected<void> check_latent_heads(const ModelConfig& config, const ShardingPlan& plan);
CacheForms latent_cache_forms(const ModelConfig& config, const ShardingPlan& plan, kernels::CacheType type);
std::unique_ptr<Decoder> load_latent_decoder(const DecoderOrder& order);
DecoderMemory measure_latent_decoder(const DecoderOrder& order);

}  // namespace troupe::model
