// Memory that the steps of a decoder reuse, made once for the largest step. Belongs to one decoder.
#pragma once

#include "model/graphs/decoder_weights.hpp"
#include "model/graphs/storage.hpp"

namespace troupe::model {

// Feed-forward layers take this many tokens at a time, which bounds the rows that wait for experts. Rows do
// not depend on one another, so results are the same for any number.
constexpr std::int64_t feed_forward_tokens = 512;

// T: max_tokens; C: tokens of a feed-forward chunk; S: max_logit_rows; G: ranks of a group; D: groups; N = G * D: all ranks; P = C / G rounded up: a rank's share of a chunk. Buffers called
// flat are cut to shape by the step, so that the rows of each stand close together.
struct DecoderWorkspace {
  kernels::RopeTable rope;  // [max_positions, rope / 2]

  kernels::Tensor hidden, normed, sum;  // [T, hidden]
  std::unique_ptr<Attention> attention;

  kernels::Tensor gate, up;  // flat [C, widest intermediate part]
  kernels::Tensor shared;    // [C, hidden]
  kernels::Tensor scores;    // [C, experts]
  kernels::Routing routing;  // [C, k]
  // All tokens of a chunk and their visits: N * P, N * P * k. Split experts, which have D * C, take the tokens from
  // where they are, and have no rows here.
  kernels::ExpertBatch waiting;
  kernels::Tensor results;  // [N * P * k, hidden], or [D * C * k, hidden], of visits
  // Whole experts: the shares of the ranks of a group.
  kernels::Tensor returned;         // [P * k, hidden]
  kernels::Tensor mine, everyones;  // [P, hidden], flat [G or N, P, hidden]
  // Split experts, when there are several groups: the tokens of all, padded and then close together.
  kernels::Tensor my_choices, everyones_choices;  // [P, k], flat [N, P, k] i32: experts
  kernels::Tensor all_tokens, all_choices;        // [D * C, hidden], [D * C, k] i32

  kernels::Tensor selected;                   // [S, hidden]
  kernels::Tensor logits_part, logits_parts;  // [S, vocabulary / G], flat [G, S, vocabulary / G]
  kernels::Tensor logits;                     // [S, vocabulary]
};

// Bytes that allocate_workspace takes; weights may be counted ones.
std::size_t workspace_bytes(const ModelConfig& config, const AttentionKind& attention,
                            const ShardingPlan& plan, const DecoderLimits& limits,
                            const DecoderWeights& weights, kernels::Ops& ops);

// Throws Error when the device has too little memory.
DecoderWorkspace allocate_workspace(const ModelConfig& config, const AttentionKind& attention,
                                    const ShardingPlan& plan, const DecoderLimits& limits,
                                    const DecoderWeights& weights, Storage& storage);

}  // namespace troupe::model
