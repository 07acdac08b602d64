// One rank's weights of a decoder, in the shapes that its graph uses. Plain data; immutable once read,
// but for the experts, which may be placed anew.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "model/decoder.hpp"
#include "model/graphs/attention.hpp"
#include "model/graphs/offload.hpp"

namespace troupe::model {

// down(silu(gate(x)) * up(x)), split over the ranks of a group by the intermediate columns.
struct SwiGlu {
  kernels::Expert matrices;
  kernels::VirtualShards shards;
};

// The routed experts of a layer that are on this rank. Where they can leave, each has memory of its own, in all layers
// the same.
struct RoutedExperts {
  std::vector<std::int32_t> place_of;         // [experts of the model]: index in matrices; -1: not here
  std::vector<kernels::Expert> matrices;      // by ascending id
  std::vector<std::shared_ptr<void>> memory;  // of each
  kernels::VirtualShards shards;              // of each expert's intermediate columns
  std::shared_ptr<const void> table;          // see kernels::Ops::expert_table

  bool holds(std::int64_t id) const { return place_of[std::size_t(id)] >= 0; }
  kernels::ExpertWeights view() const { return {place_of, matrices, shards, table.get()}; }
};

struct MoeWeights {
  kernels::Weight router;               // [experts, hidden]
  std::optional<kernels::Tensor> bias;  // e_score_correction_bias [experts]
  RoutedExperts experts;
  std::optional<SwiGlu> shared;
};

struct LayerWeights {
  kernels::Tensor attention_norm, feed_forward_norm;  // [hidden]
  AttentionWeights attention;
  std::variant<SwiGlu, MoeWeights> feed_forward;
};

// What a multi-token-prediction layer has besides its decoder layer. Embedding and head are the main model's
// where the checkpoint has none, or the same bytes.
struct PredictionWeights {
  kernels::Tensor embedding_norm, hidden_norm;  // [hidden]: enorm, hnorm
  std::int64_t join_part = 0;                   // rows of join; the last ranks' may be padded with zeros
  kernels::Weight join;                         // [join_part, 2 * hidden]: eh_proj
  kernels::Weight embedding;                    // [vocab_part, hidden]
  kernels::Weight head;                         // [vocab_part, hidden]
  kernels::Tensor norm;                         // [hidden]
};

struct DecoderWeights {
  // Of all but the experts that can leave: of the device, and of the host, if some are there.
  std::shared_ptr<void> memory, host_memory;
  Offload offload;
  TokenId first_token = 0;           // of this rank's part of the vocabulary
  std::int64_t vocab_part = 0;       // rows of it; the last ranks' may be padded with zeros
  kernels::Weight embedding;         // [vocab_part, hidden]
  kernels::Weight lm_head;           // [vocab_part, hidden]
  kernels::Tensor norm;              // [hidden]
  std::vector<LayerWeights> layers;  // with prediction, that of the prediction layer last
  std::optional<PredictionWeights> prediction;
};

// Which part of the weights: with expert parallelism the experts that the placement gives the rank, with prediction the first
// prediction layer, which the checkpoint must have, too.
struct WeightSelection {
  const ShardingPlan& plan;
  const transport::ExpertPlacement& placement;
  bool prediction = false;
  std::size_t on_host = 0;  // bytes that may stay in the host's memory
};

// Reads a rank's part into memory of ops. Pieces that the keeper has of an earlier life are not read. Throws Error that
// names a tensor.
DecoderWeights read_decoder(const Checkpoint& checkpoint, kernels::Ops& ops, const AttentionKind& attention,
                            const WeightSelection& selection, const LoadObservers& observers = {});

// A rank's part that is counted and not read: its addresses nobody may follow.
struct CountedWeights {
  DecoderWeights weights;
  std::size_t bytes = 0, host_bytes = 0;  // that read_decoder takes of the device, and of the host
};
// Of ops only the name of the arithmetic is asked.
CountedWeights count_decoder(const Checkpoint& checkpoint, kernels::Ops& ops, const AttentionKind& attention,
                             const WeightSelection& selection);

// Reads the experts that the selection's placement brings to this rank of an expert-parallel plan, into memory of ops, then
// frees those that it takes away. selection: otherwise as the weights were read. An Error leaves everything as it was.
void place_experts(const Checkpoint& checkpoint, kernels::Ops& ops, const WeightSelection& selection,
                   const LoadObservers& observers, DecoderWeights& weights);

}  // namespace troupe::model
