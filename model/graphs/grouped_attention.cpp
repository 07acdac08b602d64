#include "model/graphs/grouped_attention.hpp"

#include "model/graphs/decoder_graph.hpp"
#include "model/graphs/decoder_tensors.hpp"
#include "model/graphs/plan_cut.hpp"
#include "model/graphs/rope.hpp"

namespace troupe::model {

using kernels::RopePairs;
using kernels::Tensor;

namespace {

void list_grouped_attention(TensorListing& list, const ModelConfig& config) {
  const GroupedAttentionConfig& c = config.grouped();
  const std::int64_t hidden = config.hidden_size;
  const std::int64_t query = config.num_attention_heads * c.head_dim,
                     key = c.num_key_value_heads * c.head_dim;
  const std::pair<const char*, std::int64_t> projections[] = {{"q", query}, {"k", key}, {"v", key}};
  for (const auto& [name, rows] : projections) {
    const std::string projection = std::string("self_attn.") + name + "_proj";
    list.linear(projection + ".weight", rows, hidden);
    if (c.biases) list.plain(projection + ".bias", {rows});
  }
  if (c.head_norms)
    for (const char* name : {"q", "k"})
      list.plain(std::string("self_attn.") + name + "_norm.weight", {c.head_dim});
  list.linear("self_attn.o_proj.weight", hidden, query);
}

AttentionWeights read_grouped_attention_weights(WeightReader& reader, const ModelConfig& config,
                                                const ShardingPlan& plan, const std::string& prefix) {
  const GroupedAttentionConfig& c = config.grouped();
  const Slice hidden = all(config.hidden_size);
  const Slice queries = even_part(plan, config.num_attention_heads * c.head_dim),
              keys = even_part(plan, c.num_key_value_heads * c.head_dim);
  GroupedAttentionWeights w;
  w.query = reader.matrix(prefix + "q_proj.weight", queries, hidden);
  w.key = reader.matrix(prefix + "k_proj.weight", keys, hidden);
  w.value = reader.matrix(prefix + "v_proj.weight", keys, hidden);
  if (c.biases)
    w.biases = {reader.vector(prefix + "q_proj.bias", queries), reader.vector(prefix + "k_proj.bias", keys),
                reader.vector(prefix + "v_proj.bias", keys)};
  if (c.head_norms)
    w.norms = {reader.vector(prefix + "q_norm.weight"), reader.vector(prefix + "k_norm.weight")};
  w.out_shards = group_shards(plan, config.num_attention_heads * c.head_dim);
  w.out = reader.matrix(prefix + "o_proj.weight", hidden, columns_of(w.out_shards));
  return w;
}

// H: heads of this rank, K: those that have keys and values. Buffers are flat, and cut to shape by the step.
class GroupedAttention final : public Attention {
 public:
  GroupedAttention(const ModelConfig& config, const ShardingPlan& plan, const DecoderLimits& limits,
                   Storage& storage)
      : ops_(storage.ops()),
        head_(config.grouped().head_dim),
        heads_(config.num_attention_heads / plan.tensor_parallel),
        key_heads_(config.grouped().num_key_value_heads / plan.tensor_parallel),
        norm_epsilon_(float(config.rms_norm_eps)),
        scale_(softmax_scale(config)) {
    const std::int64_t tokens = limits.max_tokens;
    queries_ = storage.floats({tokens * heads_ * head_});
    keys_ = storage.floats({tokens * key_heads_ * head_});
    values_ = storage.floats({tokens * key_heads_ * head_});
    context_ = storage.floats({tokens * heads_ * head_});
  }

  void run(const AttentionStep& step, const AttentionWeights& weights) const override {
    const auto& w = std::get<GroupedAttentionWeights>(weights);
    const std::int64_t tokens = step.layout.tokens;
    const Tensor queries = queries_.reshape({tokens, heads_, head_}),
                 keys = keys_.reshape({tokens, key_heads_, head_}),
                 values = values_.reshape({tokens, key_heads_, head_}),
                 context = context_.reshape({tokens, heads_, head_});
    project(step, w);
    prepare(step, queries, w.norms ? &w.norms->query : nullptr);
    prepare(step, keys, w.norms ? &w.norms->key : nullptr);
    ops_.store_entries(step.queue, keys, values, step.layout, step.cache);
    ops_.gqa_attention(step.queue, queries, step.cache, key_heads_, step.layout, scale_, context);
    ops_.linear_sharded(step.queue, context.reshape({tokens, heads_ * head_}), w.out, w.out_shards, step.out);
  }

 private:
  void project(const AttentionStep& step, const GroupedAttentionWeights& w) const {
    const std::int64_t tokens = step.layout.tokens;
    const kernels::Projection parts[] = {{w.query, queries_.reshape({tokens, heads_ * head_})},
                                         {w.key, keys_.reshape({tokens, key_heads_ * head_})},
                                         {w.value, values_.reshape({tokens, key_heads_ * head_})}};
    ops_.project(step.queue, step.x, parts);
    if (!w.biases) return;
    ops_.add_row(step.queue, parts[0].out, w.biases->query);
    ops_.add_row(step.queue, parts[1].out, w.biases->key);
    ops_.add_row(step.queue, parts[2].out, w.biases->value);
  }

  // Queries or keys, [T, heads, head]: normed where the model norms them, and turned.
  void prepare(const AttentionStep& step, const Tensor& x, const Tensor* norm) const {
    if (norm) {
      const Tensor rows = x.reshape({x.shape(0) * x.shape(1), head_});
      ops_.rms_norm(step.queue, rows, *norm, norm_epsilon_, rows);
    }
    ops_.rope(step.queue, x, step.rope, step.layout, {RopePairs::halves}, x);
  }

  kernels::Ops& ops_;
  std::int64_t head_, heads_, key_heads_;  // head, H, K
  float norm_epsilon_, scale_;
  Tensor queries_, keys_, values_;  // [T, H, head], [T, K, head] twice
  Tensor context_;                  // [T, H, head]
};

constexpr AttentionKind grouped_attention{.read = read_grouped_attention_weights,
                                          .make = make_attention<GroupedAttention>};

}  // namespace

void list_grouped_layer(TensorListing& list, const ModelConfig& config, std::int64_t layer) {
  list_decoder_layer(list, config, layer, list_grouped_attention);
}

Expected<void> check_grouped_heads(const ModelConfig& config, const ShardingPlan& plan) {
  if (auto even = check_even(config.num_attention_heads, "attention heads", plan); !even) return even;
  return check_even(config.grouped().num_key_value_heads, "heads with keys and values", plan);
}

CacheForms grouped_cache_forms(const ModelConfig& config, const ShardingPlan& plan, kernels::CacheType type) {
  const GroupedAttentionConfig& c = config.grouped();
  return {.entry = kernels::key_value_entry(type, c.num_key_value_heads / plan.tensor_parallel, c.head_dim,
                                            c.head_dim),
          .index_key = {}};
}

std::unique_ptr<Decoder> load_grouped_decoder(const DecoderOrder& order) {
  return load_decoder_graph(order, grouped_attention);
}

DecoderMemory measure_grouped_decoder(const DecoderOrder& order) {
  return measure_decoder_graph(order, grouped_attention);
}

}  // namespace troupe::model
