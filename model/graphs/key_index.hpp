// The lightning indexer of DeepSeek V3.2 (DeepSeek-AI 2025, "DeepSeek-V3.2-Exp", section 2.1): which positions a token
// attends to, by keys of its own in a cache of its own. All ranks of a group have all of it, and pick the same.
#pragma once

#include "model/checkpoint/expected_tensors.hpp"
#include "model/graphs/attention.hpp"

namespace troupe::model {

void list_key_index(TensorListing& list, const ModelConfig& config);
// prefix: "model.layers.3.self_attn.indexer.".
LatentAttentionWeights::Index read_key_index(WeightReader& reader, const ModelConfig& config,
                                             const std::string& prefix);

// Belongs to one decoder, as does the storage that its memory is in.
class KeyIndex {
 public:
  using Weights = LatentAttentionWeights::Index;

  KeyIndex(const LatentAttentionConfig& config, const DecoderLimits& limits, Storage& storage);

  // What it takes from the hidden states of so many tokens.
  kernels::Projection key(const Weights& w, std::int64_t tokens) const;
  kernels::Projection head_weights(const Weights& w, std::int64_t tokens) const;
  // Once these are there.
  void store_keys(const AttentionStep& step, const Weights& w) const;

  // Whether some row sees more than it may attend to.
  bool selects(const kernels::StepLayout& layout) const;
  // Of such a step, [T, index_topk]: see Ops::select_keys. low: [T, q_lora_rank], the queries' latents, normed.
  kernels::Tensor select(const AttentionStep& step, const Weights& w, const kernels::Tensor& low) const;

 private:
  kernels::Ops& ops_;
  std::int64_t heads_, width_, most_;
  kernels::Tensor keys_, weights_;  // [T, width], [T, heads]
  // Where sequences may outgrow index_topk: flat [T, heads, width], [rows at once, positions], [T, most] i32.
  kernels::Tensor queries_, scores_, selected_;
};

}  // namespace troupe::model
