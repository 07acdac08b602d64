// Attention with keys and values, which groups of query heads share (Ainslie et al. 2023, "GQA"): the cache has those of
// this rank's heads. The ranks of a group split the heads that have keys and values.
#pragma once

#include "model/architecture.hpp"

namespace troupe::model {

// What families with this attention have in model/architecture.hpp.
void list_grouped_layer(TensorListing& list, const ModelConfig& config, std::int64_t layer);
Expected<void> check_grouped_heads(const ModelConfig& config, const ShardingPlan& plan);
CacheForms grouped_cache_forms(const ModelConfig& config, const ShardingPlan& plan, kernels::CacheType type);
std::unique_ptr<Decoder> load_grouped_decoder(const DecoderOrder& order);
DecoderMemory measure_grouped_decoder(const DecoderOrder& order);

}  // namespace troupe::model
