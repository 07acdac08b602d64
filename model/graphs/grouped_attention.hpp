// Attention with keys and values, which groups of query heads share (Ainslie et al. 2023, "GQA"): the cache has those of
// this rank's heads. The ranks of a group split the heads that have keys and values.
#pragma once

#include "model/architecture.hpp"

namespace troupe::model {

// The parts of model/architecture.hpp that families with this attention have in common.
void list_grouped_layer(TensorListing& list, const ModelConfig& config, std::int64_t layer);
Expected<void> check_grouped_heads(const ModelConfig& config, const ShardingPlan& plan);
CacheForms grouped_cache_forms(const ModelConfig& config, const ShardingPlan& plan, kernels::CacheType type);
std::unique_ptr<Decoder> load_grouped_decoder(const DecoderOrder& order);
DecoderMemory measure_grouped_decoder(const DecoderOrder& order);

// A family that differs from the others in its config.json alone.
constexpr Architecture grouped_architecture(decltype(Architecture::read_config) read_config) {
  return {.read_config = read_config,
          .list_layer = list_grouped_layer,
          .check_heads = check_grouped_heads,
          .cache_forms = grouped_cache_forms,
          .load = load_grouped_decoder,
          .measure = measure_grouped_decoder};
}

}  // namespace troupe::model
