#include "model/graphs/decoder_graph.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <utility>

#include "model/graphs/decoder_weights.hpp"
#include "model/graphs/decoder_workspace.hpp"
#include "model/graphs/prediction_entry.hpp"
#include "model/graphs/rope.hpp"

namespace troupe::model {

using kernels::DType;
using kernels::Queue;
using kernels::Tensor;
using transport::Communicators;
using transport::ExpertPlacement;

namespace {

// That of the order, or that of a replica that has just started.
ExpertPlacement placement_of(const DecoderOrder& order) {
  return order.placement.holders.empty()
             ? ExpertPlacement::spread(order.checkpoint.config().n_routed_experts, order.plan.ranks())
             : order.placement;
}

class DecoderGraph final : public Decoder {
 public:
  DecoderGraph(const DecoderOrder& order, const AttentionKind& attention)
      : checkpoint_(order.checkpoint),
        config_(checkpoint_.config()),
        plan_(order.plan),
        limits_(order.limits),
        ops_(order.ops),
        storage_(ops_),
        placement_(placement_of(order)),
        weights_(read_decoder(checkpoint_, ops_, attention, selection(placement_), order.observers)),
        work_(allocate_workspace(config_, attention, plan_, limits_, weights_, storage_)),
        expert_load_(storage_.tensor(DType::i64, {config_.n_routed_experts})),
        known_load_(std::size_t(config_.n_routed_experts)),
        ticks_(order.observers.ticks),
        keeper_(order.observers.keeper) {
    if (weights_.prediction)
      prediction_.emplace(ops_, weights_, float(config_.rms_norm_eps), plan_, limits_, storage_);
  }

  kernels::Ops& ops() const override { return ops_; }
  KvCache make_cache(std::int64_t blocks, std::int64_t block_size) override;
  Tensor forward(Queue& queue, const Communicators& ranks, const StepInput& input, KvCache& cache) override;
  std::int64_t vocab_size() const override { return config_.vocab_size; }
  std::int64_t max_positions() const override { return limits_.max_positions; }
  bool can_predict() const override { return prediction_.has_value(); }
  Tensor predict(Queue& queue, const Communicators& ranks, const PredictInput& input,
                 KvCache& cache) override;
  Tensor hidden() const override { return hidden_; }
  std::span<const std::int64_t> expert_load() const override { return known_load_; }
  Expected<void> place(const ExpertPlacement& placement) override;

 private:
  // What the parts of a step share. What the host brings was staged.
  struct Step {
    Queue& queue;
    const Communicators& ranks;
    kernels::StepLayout layout;
    kernels::IndexList tokens, logit_rows;
    kernels::IndexList rows;                     // of the last call, that a prediction goes on from
    std::span<const std::int64_t> group_tokens;  // [groups]
    Tensor hidden;                               // [T, hidden]: the residual stream
  };
  // Rows that a feed-forward layer takes at once.
  struct Chunk {
    Tensor x, out;                         // [rows of this group, hidden]
    std::vector<std::int64_t> group_rows;  // [groups]

    std::int64_t rows() const { return x.rows(); }
    std::int64_t all_rows() const { return std::reduce(group_rows.begin(), group_rows.end()); }
  };

  WeightSelection selection(const ExpertPlacement& placement) const {
    return {plan_, placement, limits_.prediction, limits_.host_weight_bytes};
  }
  void check_step(const Communicators& ranks, const StepInput& input, const KvCache& cache) const;
  Step begin(Queue& queue, const Communicators& ranks, const StepInput& input,
             std::span<const std::int32_t> rows = {}) const;
  void layer(const Step& step, std::size_t index, const KvCache& cache);
  void end_layers(Queue& queue);
  void attention(const Step& step, std::size_t index, const KvCache& cache);
  void feed_forward(const Step& step, const LayerWeights& layer);
  // A swiglu's gate and up of so many rows, in the workspace.
  std::array<kernels::Projection, 2> inner_of(const SwiGlu& w, std::int64_t rows) const {
    const std::int64_t inner = w.matrices.gate.rows;
    return {{{w.matrices.gate, work_.gate.reshape({rows, inner})},
             {w.matrices.up, work_.up.reshape({rows, inner})}}};
  }
  void swiglu(const Step& step, const SwiGlu& w, const Tensor& x, Tensor out);
  void leave_swiglu(const Step& step, const SwiGlu& w, Tensor out);
  void moe(const Step& step, const MoeWeights& w, const Chunk& chunk);
  void split_experts(const Step& step, const MoeWeights& w, const Chunk& chunk,
                     const kernels::Routing& routing);
  std::pair<Tensor, kernels::Routing> learn_all_tokens(const Step& step, const Chunk& chunk,
                                                       const kernels::Routing& routing);
  void spread_experts(const Step& step, const MoeWeights& w, const Chunk& chunk,
                      const kernels::Routing& routing);
  // With room for all visits of so many tokens.
  kernels::ExpertBatch batch_of(const Tensor& tokens) const {
    const std::int64_t visits = tokens.rows() * config_.num_experts_per_tok;
    return {tokens, work_.waiting.visit_rows.slice(0, visits), work_.waiting.visit_experts.slice(0, visits),
            work_.waiting.counts};
  }
  // Of a group's rows, those that one of its ranks sees to: rank r has [r * share, (r + 1) * share), if any.
  std::int64_t share_of(std::int64_t rows) const {
    return (rows + plan_.tensor_parallel - 1) / plan_.tensor_parallel;
  }
  // norm and matrix: of a head. What predict goes on from is the step's hidden states under this norm.
  Tensor logits(const Step& step, const Tensor& norm, const kernels::Weight& matrix);

  const Checkpoint& checkpoint_;
  ModelConfig config_;
  ShardingPlan plan_;
  DecoderLimits limits_;
  kernels::Ops& ops_;
  Storage storage_;
  ExpertPlacement placement_;
  DecoderWeights weights_;
  DecoderWorkspace work_;
  std::optional<PredictionEntry> prediction_;
  Tensor hidden_, hidden_norm_;           // what the last call left in work_.hidden, and its head's norm
  Tensor expert_load_;                    // [experts] i64
  std::vector<std::int64_t> known_load_;  // the same, brought to the host
  TickBoard* ticks_;                      // may be null, as may:
  MemoryKeeper* keeper_;
};

KvCache DecoderGraph::make_cache(std::int64_t blocks, std::int64_t block_size) {
  CHECK(blocks > 0 && block_size > 0, "empty cache");
  KvCache cache;
  cache.blocks = blocks;
  cache.block_size = block_size;
  const CacheForms forms = architecture_of(config_).cache_forms(config_, plan_, limits_.cache_type);
  const std::int64_t tokens = blocks * block_size, layers = std::int64_t(weights_.layers.size());
  cache.memory = ops_.allocate(std::size_t(layers * tokens * forms.bytes()));
  cache.ops = &ops_;
  auto* next = static_cast<float*>(cache.memory.get());
  const auto add = [&](std::vector<kernels::LayerCache>& caches, const kernels::EntryForm& form) {
    for (std::int64_t i = 0; i < layers && form.words() > 0; ++i, next += tokens * form.words())
      caches.push_back({Tensor(next, DType::f32, {blocks, block_size, form.words()}), form});
  };
  add(cache.layers, forms.entry);
  add(cache.index_keys, forms.index_key);
  return cache;
}

void DecoderGraph::check_step(const Communicators& ranks, const StepInput& input,
                              const KvCache& cache) const {
  CHECK(ranks.world.rank() == plan_.rank && ranks.world.size() == plan_.ranks(), "another plan's world");
  CHECK(ranks.group.rank() == plan_.group_rank() && ranks.group.size() == plan_.tensor_parallel,
        "another plan's group");
  if (!input.group_tokens.empty() || plan_.data_parallel > 1) {
    CHECK(std::int64_t(input.group_tokens.size()) == plan_.data_parallel, "tokens of other groups");
    CHECK(input.group_tokens[std::size_t(plan_.group())] == input.layout.tokens,
          "the group's tokens are not those of its layout");
    for (std::int64_t tokens : input.group_tokens)
      CHECK(tokens >= 0 && tokens <= limits_.max_tokens, "a group has more tokens than max_tokens");
  }
  CHECK(cache.layers.size() == weights_.layers.size(), "another model's cache");
  CHECK(input.layout.tokens == std::int64_t(input.tokens.size()), "layout and tokens differ");
  CHECK(input.layout.tokens <= limits_.max_tokens, "more tokens than max_tokens");
  CHECK(std::int64_t(input.logit_rows.size()) <= limits_.max_logit_rows,
        "more logit rows than max_logit_rows");
  for (TokenId token : input.tokens)
    CHECK(token >= 0 && token < config_.vocab_size, "token outside the vocabulary");
  for (std::int32_t row : input.logit_rows)
    CHECK(row >= 0 && row < input.layout.tokens, "logit row outside the step");
  std::int64_t rows = 0;
  for (const kernels::SequenceLayout& sequence : input.layout.sequences) {
    CHECK(sequence.first_row == rows && sequence.rows > 0, "sequences must follow one another");
    rows += sequence.rows;
    const std::int64_t end = sequence.first_position + sequence.rows;
    CHECK(sequence.first_position >= 0 && end <= limits_.max_positions, "position past max_positions");
    CHECK(std::int64_t(sequence.blocks.size()) * cache.block_size >= end, "blocks do not cover the sequence");
    for (BlockId block : sequence.blocks)
      CHECK(block >= 0 && block < cache.blocks, "block outside the cache");
  }
  CHECK(rows == input.layout.tokens, "sequences do not cover the step");
}

Tensor DecoderGraph::forward(Queue& queue, const Communicators& ranks, const StepInput& input,
                             KvCache& cache) {
  check_step(ranks, input, cache);
  const Step step = begin(queue, ranks, input);
  ops_.embed(queue, step.tokens, weights_.embedding, weights_.first_token, step.hidden);
  ranks.group.all_reduce(queue, step.hidden);  // the other ranks' rows are zero
  for (std::size_t i = 0; i < std::size_t(config_.num_hidden_layers); ++i) layer(step, i, cache);
  end_layers(queue);
  return logits(step, weights_.norm, weights_.lm_head);
}

void DecoderGraph::end_layers(Queue& queue) {
  if (ticks_) queue.set(ticks_->place, ticks_->at_layer(-1));
  ops_.read(queue, expert_load_, std::as_writable_bytes(std::span(known_load_)));
}

Tensor DecoderGraph::predict(Queue& queue, const Communicators& ranks, const PredictInput& input,
                             KvCache& cache) {
  CHECK(can_predict(), "the prediction layer was not loaded");
  check_step(ranks, input.next, cache);
  CHECK(input.rows.size() == input.next.tokens.size(), "a row for each token");
  for (std::int32_t row : input.rows) CHECK(row >= 0 && row < hidden_.rows(), "row outside the last call's");
  const Step step = begin(queue, ranks, input.next, input.rows);
  const Tensor states = work_.sum.slice(0, input.next.layout.tokens);  // hidden is where the layer's go
  ops_.gather_rows(queue, hidden_, step.rows, states);
  ops_.rms_norm(queue, states, hidden_norm_, float(config_.rms_norm_eps), states);
  prediction_->run(queue, ranks, step.tokens, states, step.hidden);
  layer(step, std::size_t(config_.num_hidden_layers), cache);
  end_layers(queue);
  return logits(step, weights_.prediction->norm, weights_.prediction->head);
}

DecoderGraph::Step DecoderGraph::begin(Queue& queue, const Communicators& ranks, const StepInput& input,
                                       std::span<const std::int32_t> rows) const {
  const std::span alone(&input.layout.tokens, 1);
  Step step{queue,
            ranks,
            input.layout,
            input.tokens,
            input.logit_rows,
            rows,
            input.group_tokens.empty() ? alone : input.group_tokens,
            work_.hidden.slice(0, input.layout.tokens)};
  kernels::IndexList* const lists[] = {&step.tokens, &step.logit_rows, &step.rows};
  ops_.stage(queue, step.layout, lists);
  return step;
}

void DecoderGraph::layer(const Step& step, std::size_t index, const KvCache& cache) {
  if (ticks_) step.queue.set(ticks_->place, ticks_->at_layer(std::int32_t(index)));
  attention(step, index, cache);
  feed_forward(step, weights_.layers[index]);
}

void DecoderGraph::attention(const Step& step, std::size_t index, const KvCache& cache) {
  const LayerWeights& layer = weights_.layers[index];
  const std::int64_t tokens = step.layout.tokens;
  const Tensor x = work_.normed.slice(0, tokens), sum = work_.sum.slice(0, tokens);
  ops_.rms_norm(step.queue, step.hidden, layer.attention_norm, float(config_.rms_norm_eps), x);
  const kernels::LayerCache* const index_keys = cache.index_keys.empty() ? nullptr : &cache.index_keys[index];
  work_.attention->run({step.queue, step.layout, work_.rope, x, cache.layers[index], index_keys, sum},
                       layer.attention);
  step.ranks.group.all_reduce(step.queue, sum);
  ops_.add(step.queue, step.hidden, sum);
}

void DecoderGraph::feed_forward(const Step& step, const LayerWeights& layer) {
  const std::int64_t tokens = step.layout.tokens;
  const Tensor normed = work_.normed.slice(0, tokens), sum = work_.sum.slice(0, tokens);
  ops_.rms_norm(step.queue, step.hidden, layer.feed_forward_norm, float(config_.rms_norm_eps), normed);
  const std::int64_t most = std::ranges::max(step.group_tokens);
  std::int64_t begin = 0;
  do {  // as often as the group with the most tokens, and once even without one: collectives must match
    Chunk chunk;
    for (std::int64_t of_group : step.group_tokens)
      chunk.group_rows.push_back(std::clamp<std::int64_t>(of_group - begin, 0, feed_forward_tokens));
    const std::int64_t first = std::min(begin, tokens), count = chunk.group_rows[std::size_t(plan_.group())];
    chunk.x = normed.slice(first, count);
    chunk.out = sum.slice(first, count);
    if (const auto* experts = std::get_if<MoeWeights>(&layer.feed_forward))
      moe(step, *experts, chunk);
    else
      swiglu(step, std::get<SwiGlu>(layer.feed_forward), chunk.x, chunk.out);
    begin += feed_forward_tokens;
  } while (begin < most);
  ops_.add(step.queue, step.hidden, sum);
}

void DecoderGraph::swiglu(const Step& step, const SwiGlu& w, const Tensor& x, Tensor out) {
  ops_.project(step.queue, x, inner_of(w, x.rows()));
  leave_swiglu(step, w, out);
}

// What follows a swiglu's gate and up.
void DecoderGraph::leave_swiglu(const Step& step, const SwiGlu& w, Tensor out) {
  const auto [gate, up] = inner_of(w, out.rows());
  ops_.silu_mul(step.queue, gate.out, up.out);
  ops_.linear_sharded(step.queue, gate.out, w.matrices.down, w.shards, out);
  step.ranks.group.all_reduce(step.queue, out);
}

void DecoderGraph::moe(const Step& step, const MoeWeights& w, const Chunk& chunk) {
  const Tensor scores = work_.scores.slice(0, chunk.rows());
  if (w.shared) {
    const auto [gate, up] = inner_of(*w.shared, chunk.rows());
    const kernels::Projection parts[] = {{w.router, scores}, gate, up};
    ops_.project(step.queue, chunk.x, parts);
  } else {
    ops_.linear(step.queue, chunk.x, w.router, scores);
  }
  const kernels::RoutingRule rule{.scoring = config_.scoring_func,
                                  .experts = int(config_.n_routed_experts),
                                  .groups = int(config_.n_group),
                                  .groups_kept = int(config_.topk_group),
                                  .per_token = int(config_.num_experts_per_tok),
                                  .normalise = config_.norm_topk_prob,
                                  .scaling = float(config_.routed_scaling_factor),
                                  .bias = w.bias ? w.bias->as<float>() : nullptr};
  kernels::Routing routing{work_.routing.experts.slice(0, chunk.rows()),
                           work_.routing.weights.slice(0, chunk.rows())};
  ops_.route(step.queue, scores, rule, routing);
  ops_.count_experts(step.queue, routing, expert_load_);
  if (plan_.expert_parallel)
    spread_experts(step, w, chunk, routing);
  else
    split_experts(step, w, chunk, routing);
  if (!w.shared) return;
  const Tensor shared = work_.shared.slice(0, chunk.rows());
  leave_swiglu(step, *w.shared, shared);
  ops_.add(step.queue, chunk.out, shared);
}

// Every rank computes its columns of every expert, for the tokens of all groups.
void DecoderGraph::split_experts(const Step& step, const MoeWeights& w, const Chunk& chunk,
                                 const kernels::Routing& routing) {
  const auto [tokens, choices] =
      plan_.data_parallel > 1 ? learn_all_tokens(step, chunk, routing) : std::pair(chunk.x, routing);
  const std::int64_t k = config_.num_experts_per_tok;
  kernels::ExpertBatch batch = batch_of(tokens);
  const Tensor results = work_.results.slice(0, tokens.rows() * k);
  ops_.list_visits(step.queue, choices, batch);
  ops_.experts(step.queue, batch, w.experts.view(), results);
  step.ranks.world.all_reduce(step.queue, results);
  const auto own = chunk.group_rows.begin() + plan_.group();
  const std::int64_t first = std::reduce(chunk.group_rows.begin(), own);
  ops_.weighted_sum(step.queue, results.slice(first * k, chunk.rows() * k), routing, chunk.out);
}

// The tokens of all groups, group after group, and the experts that they chose (not the weights). Each rank
// tells its share of its group's.
std::pair<Tensor, kernels::Routing> DecoderGraph::learn_all_tokens(const Step& step, const Chunk& chunk,
                                                                   const kernels::Routing& routing) {
  const std::int64_t ranks = plan_.ranks(), k = config_.num_experts_per_tok, hidden = config_.hidden_size;
  const std::int64_t share = share_of(std::ranges::max(chunk.group_rows));  // the same on all, so padded
  const std::int64_t first = std::min(plan_.group_rank() * share, chunk.rows());
  const std::int64_t count = std::min(share, chunk.rows() - first);
  ops_.copy(step.queue, chunk.x.slice(first, count), work_.mine.slice(0, count));
  ops_.copy(step.queue, routing.experts.slice(first, count), work_.my_choices.slice(0, count));
  const Tensor everyones = work_.everyones.reshape({ranks * share, hidden}),
               everyones_choices = work_.everyones_choices.reshape({ranks * share, k});
  step.ranks.world.all_gather(step.queue, work_.mine.slice(0, share), everyones);
  step.ranks.world.all_gather(step.queue, work_.my_choices.slice(0, share), everyones_choices);

  const Tensor all = work_.all_tokens.slice(0, chunk.all_rows()),
               all_choices = work_.all_choices.slice(0, chunk.all_rows());
  std::int64_t to = 0;
  for (std::int64_t group = 0; group < plan_.data_parallel; ++group) {  // without the padding at its end
    const std::int64_t from = group * plan_.tensor_parallel * share;
    const std::int64_t rows = chunk.group_rows[std::size_t(group)];
    ops_.copy(step.queue, everyones.slice(from, rows), all.slice(to, rows));
    ops_.copy(step.queue, everyones_choices.slice(from, rows), all_choices.slice(to, rows));
    to += rows;
  }
  return {all, {all_choices, {}}};
}

// Every rank sends its share of its group's tokens to their experts' ranks; then the group learns all sums.
void DecoderGraph::spread_experts(const Step& step, const MoeWeights& w, const Chunk& chunk,
                                  const kernels::Routing& routing) {
  const std::int64_t k = config_.num_experts_per_tok, hidden = config_.hidden_size;
  const std::int64_t share = share_of(chunk.rows());
  const std::int64_t first = std::min(plan_.group_rank() * share, chunk.rows());
  const std::int64_t count = std::min(share, chunk.rows() - first);
  const kernels::Routing routed{routing.experts.slice(first, count), routing.weights.slice(first, count)};
  // Of every rank as many as of the one that has most: how many come is known to the device alone.
  const std::int64_t most = plan_.ranks() * share_of(std::ranges::max(chunk.group_rows));
  kernels::ExpertBatch batch = batch_of(work_.waiting.rows.slice(0, most));
  const Tensor results = work_.results.slice(0, most * k), returned = work_.returned.slice(0, count * k);
  step.ranks.world.dispatch(step.queue, chunk.x.slice(first, count), routed, placement_, batch);
  ops_.experts(step.queue, batch, w.experts.view(), results);
  step.ranks.world.combine(step.queue, results, returned);
  ops_.weighted_sum(step.queue, returned, routed, work_.mine.slice(0, count));

  const Tensor everyones = work_.everyones.reshape({plan_.tensor_parallel * share, hidden});
  step.ranks.group.all_gather(step.queue, work_.mine.slice(0, share), everyones);
  ops_.copy(step.queue, everyones.slice(0, chunk.rows()), chunk.out);  // without the padding at the end
}

Tensor DecoderGraph::logits(const Step& step, const Tensor& norm, const kernels::Weight& matrix) {
  hidden_ = step.hidden;
  hidden_norm_ = norm;
  const std::int64_t count = step.logit_rows.size(), part = weights_.vocab_part;
  const Tensor x = work_.selected.slice(0, count), mine = work_.logits_part.slice(0, count),
               all = work_.logits.slice(0, count);
  const Tensor parts = work_.logits_parts.reshape({plan_.tensor_parallel, count, part});
  ops_.gather_rows(step.queue, step.hidden, step.logit_rows, x);
  ops_.rms_norm(step.queue, x, norm, float(config_.rms_norm_eps), x);
  ops_.linear(step.queue, x, matrix, mine);
  step.ranks.group.all_gather(step.queue, mine, parts);
  ops_.join_columns(step.queue, parts, all);
  return all;
}

Expected<void> DecoderGraph::place(const ExpertPlacement& placement) {
  if (!plan_.expert_parallel)
    return refuse("every rank has a part of each expert: only expert parallelism places them");
  if (auto possible = check_placement(placement, config_.n_routed_experts, plan_.ranks()); !possible)
    return possible;
  const Doing loading(ticks_, Activity::loading);
  place_experts(checkpoint_, ops_, selection(placement), {.ticks = ticks_, .keeper = keeper_}, weights_);
  placement_ = placement;
  return {};
}

}  // namespace

std::unique_ptr<Decoder> load_decoder_graph(const DecoderOrder& order, const AttentionKind& attention) {
  const Doing loading(order.observers.ticks, Activity::loading);
  return std::make_unique<DecoderGraph>(order, attention);
}

DecoderMemory measure_decoder_graph(const DecoderOrder& order, const AttentionKind& attention) {
  const ModelConfig& config = order.checkpoint.config();
  const bool predicts = order.limits.prediction;
  const ExpertPlacement placement = placement_of(order);
  const CountedWeights counted =
      count_decoder(order.checkpoint, order.ops, attention,
                    {order.plan, placement, predicts, order.limits.host_weight_bytes});
  const std::size_t workspace =
      workspace_bytes(config, attention, order.plan, order.limits, counted.weights, order.ops);
  Storage rest = Storage::counting(order.ops);
  rest.tensor(DType::i64, {config.n_routed_experts});
  if (predicts)
    PredictionEntry(order.ops, counted.weights, float(config.rms_norm_eps), order.plan, order.limits, rest);
  return {counted.bytes, workspace + rest.taken(), counted.host_bytes};
}

}  // namespace troupe::model
