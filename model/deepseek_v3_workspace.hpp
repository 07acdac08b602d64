// Memory that the steps of a DeepSeek V3 reuse, made once for the largest step. Belongs to one decoder.
#pragma once

#include "model/deepseek_v3_weights.hpp"

namespace troupe::model {

// Feed-forward layers take this many tokens at a time, which bounds the rows that wait for experts. Rows do
// not depend on one another, so results are the same for any number.
constexpr std::int64_t feed_forward_tokens = 512;

// T: max_tokens; C: tokens of a feed-forward chunk; S: max_logit_rows; R: ranks; H: heads of this rank.
// Buffers called flat are cut to shape by the step, so that the rows of each stand close together.
struct DeepseekV3Workspace {
  kernels::RopeTable rope;  // [max_positions, rope / 2]

  kernels::Tensor hidden, normed, sum;  // [T, hidden]
  kernels::Tensor q_low;                // [T, q_lora_rank]
  kernels::Tensor latent, rope_key;     // [T, latent], [T, rope]
  kernels::Tensor queries;              // flat [T, H, nope + rope]
  kernels::Tensor absorbed;             // flat [T, H, latent + rope]
  kernels::Tensor context, values;      // flat [T, H, latent], [T, H, v]

  kernels::Tensor gate, up;        // flat [C, widest intermediate part]
  kernels::Tensor shared;          // [C, hidden]
  kernels::Tensor scores;          // [C, experts]
  kernels::Routing routing;        // [C, k]
  kernels::ExpertBatch waiting;    // capacity C * k
  kernels::Tensor results;         // [C * k, hidden]
  kernels::Tensor returned, mine;  // [C / R * k, hidden], [C / R, hidden], rounded up
  kernels::Tensor everyones;       // [R * C / R, hidden]

  kernels::Tensor selected;                   // [S, hidden]
  kernels::Tensor logits_part, logits_parts;  // [S, vocabulary / R], flat [R, S, vocabulary / R]
  kernels::Tensor logits;                     // [S, vocabulary]
};

// Throws Error when the device has too little memory.
DeepseekV3Workspace allocate_workspace(const ModelConfig& config, const ShardingPlan& plan,
                                       const DecoderLimits& limits, const DeepseekV3Weights& weights,
                                       Storage& storage);

}  // namespace troupe::model
