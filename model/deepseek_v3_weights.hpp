// One rank's weights of a DeepSeek V3, in the shapes that its graph uses. Plain data; immutable once read.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "model/decoder.hpp"
#include "model/storage.hpp"

namespace troupe::model {

// H: heads of this rank.
struct AttentionWeights {
  std::optional<kernels::Weight> q_down;  // [q_lora_rank, hidden]; none: q_up takes the hidden state
  kernels::Tensor q_norm;                 // [q_lora_rank]
  kernels::Weight q_up;                   // [H * (nope + rope), q_lora_rank or hidden]
  kernels::Weight latent;                 // [latent, hidden]
  kernels::Weight rope_key;               // [rope, hidden]
  kernels::Tensor latent_norm;            // [latent]
  std::vector<kernels::Weight> key_up;    // a head: [latent, nope], W_UK turned around, absorbs a query
  std::vector<kernels::Weight> value_up;  // a head: [v, latent], W_UV
  kernels::Weight out;                    // [hidden, H * v]
  kernels::VirtualShards out_shards;
};

// down(silu(gate(x)) * up(x)), split over ranks by the intermediate columns.
struct SwiGlu {
  kernels::Expert matrices;
  kernels::VirtualShards shards;
};

struct MoeWeights {
  kernels::Weight router;                // [experts, hidden]
  std::optional<kernels::Tensor> bias;   // e_score_correction_bias [experts]
  int first = 0;                         // expert
  std::vector<kernels::Expert> experts;  // of this rank, from first on
  kernels::VirtualShards shards;
  std::optional<SwiGlu> shared;
};

struct LayerWeights {
  kernels::Tensor attention_norm, feed_forward_norm;  // [hidden]
  AttentionWeights attention;
  std::variant<SwiGlu, MoeWeights> feed_forward;
};

struct DeepseekV3Weights {
  TokenId first_token = 0;      // of this rank's part of the vocabulary
  std::int64_t vocab_part = 0;  // rows of it; the last ranks' may be padded with zeros
  kernels::Weight embedding;    // [vocab_part, hidden]
  kernels::Weight lm_head;      // [vocab_part, hidden]
  kernels::Tensor norm;         // [hidden]
  std::vector<LayerWeights> layers;
};

// Reads this rank's part into storage. Throws Error that names a tensor.
DeepseekV3Weights read_deepseek_v3(const Checkpoint& checkpoint, const ShardingPlan& plan, Storage& storage,
                                   Progress* progress);

}  // namespace troupe::model
