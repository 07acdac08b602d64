// What the prediction layer of a DeepSeek V3 takes in: a hidden state joined with the token that follows it,
// eh_proj [enorm(embedding); hnorm(state)] (DeepSeek-AI 2024, "DeepSeek-V3 Technical Report", equation 21; the
// published weights have the embedding's half first). Belongs to one decoder and its thread.
#pragma once

#include "model/graphs/decoder_weights.hpp"
#include "model/graphs/storage.hpp"

namespace troupe::model {

class PredictionEntry {
 public:
  // All outlive it but plan and limits; its buffers live in storage.
  PredictionEntry(kernels::Ops& ops, const DecoderWeights& weights, float norm_epsilon,
                  const ShardingPlan& plan, const DecoderLimits& limits, Storage& storage);

  // states, out: [T, hidden], not the same memory. A state is normed as for the head that its tokens come from:
  // the main model's, or the layer's own when it goes on from itself. tokens: [T], those that follow.
  void run(kernels::Queue& queue, const transport::Communicators& ranks, const kernels::IndexList& tokens,
           const kernels::Tensor& states, const kernels::Tensor& out);

 private:
  kernels::Ops& ops_;
  const PredictionWeights& weights_;
  TokenId first_token_;
  float norm_epsilon_;
  std::int64_t ranks_;  // G, of a group
  std::int64_t chunk_;  // C: rows at a time, which bounds the buffers
  // flat [2, C, hidden], [C, 2 * hidden], [C, join_part], flat [G, C, join_part]
  kernels::Tensor halves_, joined_, part_, parts_;
};

}  // namespace troupe::model
