// What a decoder's graph takes of an attention, whatever it caches: one rank's heads, all layers. Belongs to one decoder
// and its thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/checkpoint/weights.hpp"
#include "model/decoder_limits.hpp"
#include "model/graphs/storage.hpp"
#include "model/sharding.hpp"

namespace troupe::model {

// H: heads of this rank, of its group's.
struct LatentAttentionWeights {
  std::optional<kernels::Weight> q_down;  // [q_lora_rank, hidden]; none: q_up takes the hidden state
  kernels::Tensor q_norm;                 // [q_lora_rank]
  kernels::Weight q_up;                   // [H * (nope + rope), q_lora_rank or hidden]
  kernels::Weight latent;                 // [latent, hidden]
  kernels::Weight rope_key;               // [rope, hidden]
  kernels::Tensor latent_norm;            // [latent]
  // Stacks of a matrix a head (see WeightReader::stack):
  std::vector<kernels::Weight> key_up;    // [latent, nope], W_UK turned around, absorbs a query
  std::vector<kernels::Weight> value_up;  // [v, latent], W_UV
  kernels::Weight out;                    // [hidden, H * v]
  kernels::VirtualShards out_shards;
  // Of all its heads, which every rank has.
  struct Index {
    kernels::Weight query;                // [heads * n, q_lora_rank]
    kernels::Weight key;                  // [n, hidden]
    kernels::Tensor key_norm, key_shift;  // [n]
    kernels::Weight head_weights;         // [heads, hidden]
  };
  std::optional<Index> index;
};

// K: heads with keys and values of this rank.
struct GroupedAttentionWeights {
  kernels::Weight query, key, value;  // [H * head, hidden], [K * head, hidden] twice
  struct Biases {
    kernels::Tensor query, key, value;  // [H * head], [K * head] twice
  };
  std::optional<Biases> biases;
  struct HeadNorms {
    kernels::Tensor query, key;  // [head]
  };
  std::optional<HeadNorms> norms;
  kernels::Weight out;  // [hidden, H * head]
  kernels::VirtualShards out_shards;
};

using AttentionWeights = std::variant<LatentAttentionWeights, GroupedAttentionWeights>;

// The norms inside a latent attention have upstream's default (DeepseekV3RMSNorm), whatever rms_norm_eps says.
constexpr float inner_norm_epsilon = 1e-6f;

struct AttentionStep {
  kernels::Queue& queue;
  const kernels::StepLayout& layout;  // staged
  const kernels::RopeTable& rope;
  kernels::Tensor x;                      // [T, hidden], under the layer's norm
  const kernels::LayerCache& cache;       // the layer's
  const kernels::LayerCache* index_keys;  // likewise; null: it has no index
  kernels::Tensor out;                    // [T, hidden]: becomes this rank's part of the sum over heads
};

class Attention {
 public:
  virtual ~Attention() = default;
  // w: of a layer, of the attention's own kind.
  virtual void run(const AttentionStep& step, const AttentionWeights& w) const = 0;
};

template <class Kind>
std::unique_ptr<Attention> make_attention(const ModelConfig& config, const ShardingPlan& plan,
                                          const DecoderLimits& limits, Storage& storage) {
  return std::make_unique<Kind>(config, plan, limits, storage);
}

// What reads the weights and makes the attention of a kind.
struct AttentionKind {
  // Plans a layer's. prefix: "model.layers.3.self_attn.".
  AttentionWeights (*read)(WeightReader& reader, const ModelConfig& config, const ShardingPlan& plan,
                           const std::string& prefix);
  // The memory that its steps work in lives in storage.
  std::unique_ptr<Attention> (*make)(const ModelConfig& config, const ShardingPlan& plan,
                                     const DecoderLimits& limits, Storage& storage);
};

}  // namespace troupe::model
