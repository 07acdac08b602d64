#include "model/graphs/decoder_weights.hpp"

#include <algorithm>
#include <cstring>
#include <set>
#include <string>

#include "model/checkpoint/weight_pieces.hpp"
#include "model/checkpoint/weights.hpp"
#include "model/graphs/plan_cut.hpp"
#include "runtime/base/digest.hpp"
#include "runtime/base/log.hpp"

namespace troupe::model {

using kernels::VirtualShards;

namespace {

constexpr std::int64_t rows_between_ticks = 256;  // few MB
constexpr const char* shared_piece = "shared";    // all but experts that can leave

std::string expert_piece(std::int64_t id) {
  return "expert " + std::to_string(id);
}

// What decides the bytes of a rank's pieces of memory, but for the program, which is the same in all its lives.
std::string contents_of(const Checkpoint& checkpoint, const kernels::Ops& ops,
                        const WeightSelection& selection) {
  const ShardingPlan& plan = selection.plan;
  std::string text = checkpoint.identity() + "\n" + std::string(ops.arithmetic());
  for (const int number : {plan.rank, plan.tensor_parallel, plan.data_parallel, int(plan.expert_parallel),
                           plan.virtual_shards, plan.expert_shards, int(selection.prediction)})
    text += " " + std::to_string(number);
  return digest(text + " " + std::to_string(selection.on_host));
}

// Names tensors and cuts them to the plan.
class Reader {
 public:
  // attention: may be null when only experts are read.
  Reader(const Checkpoint& checkpoint, kernels::Ops& ops, const AttentionKind* attention,
         const WeightSelection& selection, Offload offload, const LoadObservers& observers)
      : checkpoint_(checkpoint),
        attention_(attention),
        config_(checkpoint.config()),
        plan_(selection.plan),
        placement_(selection.placement),
        prediction_(selection.prediction),
        ops_(ops),
        ticks_(observers.ticks),
        offload_(std::move(offload)),
        pieces_(ops, observers.keeper, contents_of(checkpoint, ops, selection)),
        weights_(checkpoint, ops, observers) {}

  DecoderWeights read() {
    if (const auto note = pieces_.note({shared_piece})) note_own(*note);
    lay_out();
    if (!own_) own_ = found_own_;
    if (offload_.any())
      log_event(
          LogLevel::info, "weights_offloaded",
          {{"rank", plan_.rank}, {"bytes", pieces_.counted(true)}, {"device_bytes", pieces_.counted()}});
    take();
    DecoderWeights model = lay_out();
    model.memory = pieces_.memory({shared_piece});
    model.host_memory = pieces_.memory({shared_piece, true});
    model.offload = offload_;
    for (LayerWeights& layer : model.layers)
      if (auto* moe = std::get_if<MoeWeights>(&layer.feed_forward)) moe->experts = with_table(moe->experts);
    weights_.run();
    pieces_.keep({shared_piece}, note_of_own());
    return model;
  }

  CountedWeights count() {
    DecoderWeights model = lay_out();
    return {std::move(model), pieces_.counted(), pieces_.counted(true)};
  }

  // What may stay in the host's memory, of a rank with so much of it for that.
  Offload offload(std::size_t budget) {
    own_.emplace();  // what a prediction layer has of its own is none of it
    counts_units_ = true;
    lay_out();
    offload_.choose(budget);
    return std::move(offload_);
  }

  void place(DecoderWeights& model) {
    std::vector<std::int64_t> left;
    for (std::int64_t id = 0; id < config_.n_routed_experts; ++id)
      if (is_here(model, id) && !belongs_here(id)) left.push_back(id);
    arrivals(model);
    take();
    std::vector<RoutedExperts> placed = arrivals(model);
    for (std::size_t i = 0; i < placed.size(); ++i)
      if (const auto* moe = std::get_if<MoeWeights>(&model.layers[i].feed_forward))
        placed[i] = with_table(joined(moe->experts, placed[i]));
    weights_.run();
    pieces_.keep({}, {});
    for (std::size_t i = 0; i < placed.size(); ++i)
      if (auto* moe = std::get_if<MoeWeights>(&model.layers[i].feed_forward))
        moe->experts = std::move(placed[i]);
    for (const std::int64_t id : left)
      for (const bool on_host : {false, true}) pieces_.drop({expert_piece(id), on_host});
  }

 private:
  void take() {
    pieces_.take();
    counting_ = false;
  }

  // What is planned next goes there.
  void store_in(const PieceName& piece) {
    piece_ = piece;
    weights_.store_in(pieces_.storage(piece), !counting_ && !pieces_.filled(piece));
  }
  // What plan reads is a unit of that piece; what is planned next goes where it went before.
  template <class Plan>
  auto unit(const WeightUnit& which, const std::string& text, Plan plan) {
    const std::optional<PieceName> outer = piece_;
    const PieceName piece{text, offload_.on_host(which)};
    store_in(piece);
    const std::size_t before = pieces_.storage(piece).taken();
    auto weights = plan();
    if (counts_units_) offload_.count(which, pieces_.storage(piece).taken() - before);
    if (outer) store_in(*outer);
    return weights;
  }

  DecoderWeights lay_out() {
    DecoderWeights model;
    store_in({shared_piece});
    const std::int64_t part = padded_part(plan_, config_.vocab_size);
    const Slice rows = rows_of(plan_, config_.vocab_size);
    model.first_token = TokenId(rows.first);
    model.vocab_part = part;
    const Slice hidden = all(config_.hidden_size);
    const auto matrix = [&](const char* name) {
      return unit({WeightUse::head}, shared_piece, [&] { return weights_.matrix(name, rows, hidden, part); });
    };
    if (config_.tie_word_embeddings) {
      model.embedding = model.lm_head = matrix("model.embed_tokens.weight");
    } else {
      model.embedding = unit({WeightUse::embedding}, shared_piece,
                             [&] { return weights_.table("model.embed_tokens.weight", rows, hidden, part); });
      model.lm_head = matrix("lm_head.weight");
    }
    model.norm = weights_.vector("model.norm.weight");
    const std::int64_t layers = config_.num_hidden_layers + prediction_;
    for (std::int64_t i = 0; i < layers; ++i) model.layers.push_back(layer(i));
    if (prediction_) model.prediction = prediction(model);
    for (std::int64_t i = 0; i < layers; ++i)
      if (auto* moe = std::get_if<MoeWeights>(&model.layers[std::size_t(i)].feed_forward))
        moe->experts = experts(i, [](std::int64_t) { return true; });
    return model;
  }

  // The same in all layers.
  static bool is_here(const DecoderWeights& model, std::int64_t expert) {
    for (const LayerWeights& layer : model.layers)
      if (const auto* moe = std::get_if<MoeWeights>(&layer.feed_forward)) return moe->experts.holds(expert);
    return false;
  }

  // Of each layer, the experts that belong here and have not been here.
  std::vector<RoutedExperts> arrivals(const DecoderWeights& model) {
    std::vector<RoutedExperts> arrived(model.layers.size());
    for (std::size_t i = 0; i < arrived.size(); ++i)
      if (const auto* moe = std::get_if<MoeWeights>(&model.layers[i].feed_forward))
        arrived[i] = experts(std::int64_t(i), [&](std::int64_t id) { return !moe->experts.holds(id); });
    return arrived;
  }

  // A routed expert's, which is whole or split over all ranks.
  VirtualShards expert_shards() const {
    const bool whole = plan_.expert_parallel;
    return shards_of(whole ? 0 : plan_.rank, whole ? 1 : plan_.ranks(), plan_.shards_of_expert(),
                     config_.moe_intermediate_size);
  }
  static std::string layer_prefix(std::int64_t index) {
    return "model.layers." + std::to_string(index) + ".";
  }

  LayerWeights layer(std::int64_t index) {
    const std::string prefix = layer_prefix(index);
    LayerWeights layer;
    layer.attention_norm = weights_.vector(prefix + "input_layernorm.weight");
    layer.feed_forward_norm = weights_.vector(prefix + "post_attention_layernorm.weight");
    layer.attention = unit({WeightUse::attention, index}, shared_piece,
                           [&] { return attention_->read(weights_, config_, plan_, prefix + "self_attn."); });
    if (config_.is_moe(index))
      layer.feed_forward = moe(index, prefix + "mlp.");
    else
      layer.feed_forward = swiglu(index, prefix + "mlp.", config_.intermediate_size);
    return layer;
  }

  PredictionWeights prediction(const DecoderWeights& model) {
    const std::string prefix = layer_prefix(config_.num_hidden_layers);
    const std::string embedding = prefix + "embed_tokens.weight", head = prefix + "shared_head.head.weight";
    const std::int64_t hidden = config_.hidden_size;
    const Slice vocabulary = rows_of(plan_, config_.vocab_size);
    PredictionWeights w;
    w.embedding_norm = weights_.vector(prefix + "enorm.weight");
    w.hidden_norm = weights_.vector(prefix + "hnorm.weight");
    w.join_part = padded_part(plan_, hidden);
    w.join = weights_.matrix(prefix + "eh_proj.weight", rows_of(plan_, hidden), all(2 * hidden), w.join_part);
    w.embedding = own(embedding, "model.embed_tokens.weight", vocabulary)
                      ? weights_.table(embedding, vocabulary, all(hidden), model.vocab_part)
                      : model.embedding;
    w.head =
        own(head, config_.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight", vocabulary)
            ? weights_.matrix(head, vocabulary, all(hidden), model.vocab_part)
            : model.lm_head;
    w.norm = weights_.vector(prefix + "shared_head.norm.weight");
    return w;
  }

  // Whether the checkpoint has the tensor and this rank's rows of it are not those of the main model's, which
  // published checkpoints repeat. Compared once; a later life is told.
  bool own(const std::string& name, const std::string& main, Slice rows) {
    if (own_) return own_->contains(name);
    const bool differs = checkpoint_.has(name) && rows_differ(name, main, rows);
    if (differs) found_own_.insert(name);
    return differs;
  }
  std::string note_of_own() const {
    std::string note;
    for (const std::string& name : *own_) note += name + " ";
    return note;
  }
  void note_own(const std::string& note) {
    own_.emplace();
    for (std::size_t begin = 0, end; (end = note.find(' ', begin)) != note.npos; begin = end + 1)
      own_->insert(note.substr(begin, end - begin));
  }

  bool rows_differ(const std::string& name, const std::string& main, Slice rows) const {
    const StoredTensor &mine = checkpoint_.tensor(name), &shared = checkpoint_.tensor(main);
    if (mine.dtype != shared.dtype || mine.packed || shared.packed) return true;
    const std::size_t row_bytes = kernels::row_bytes(mine.dtype, config_.hidden_size);
    for (std::int64_t row = rows.first; row < rows.first + rows.count; ++row) {
      const std::size_t begin = std::size_t(row) * row_bytes;
      if (std::memcmp(&mine.bytes[begin], &shared.bytes[begin], row_bytes) != 0) return true;
      if (ticks_ && row % rows_between_ticks == 0) ticks_->piece_done();  // disks are slow
    }
    return false;
  }

  // The part of it that the shards cover.
  kernels::Expert expert(const std::string& prefix, const VirtualShards& shards) {
    const Slice inner = columns_of(shards), hidden = all(config_.hidden_size);
    const auto gate_over_up = weights_.stack(
        {{prefix + "gate_proj.weight", inner, hidden}, {prefix + "up_proj.weight", inner, hidden}});
    return {gate_over_up[0], gate_over_up[1], weights_.matrix(prefix + "down_proj.weight", hidden, inner)};
  }

  SwiGlu swiglu(std::int64_t layer, const std::string& prefix, std::int64_t intermediate) {
    const VirtualShards shards = group_shards(plan_, intermediate);
    const auto matrices =
        unit({WeightUse::feed_forward, layer}, shared_piece, [&] { return expert(prefix, shards); });
    return {matrices, shards};
  }

  MoeWeights moe(std::int64_t layer, const std::string& prefix) {
    const std::int64_t experts = config_.n_routed_experts, inner = config_.moe_intermediate_size;
    MoeWeights w;
    w.router = weights_.matrix(prefix + "gate.weight", all(experts), all(config_.hidden_size));
    if (config_.routing_bias) w.bias = weights_.vector(prefix + "gate.e_score_correction_bias");
    if (config_.n_shared_experts > 0)
      w.shared = swiglu(layer, prefix + "shared_experts.", inner * config_.n_shared_experts);
    return w;
  }

  // Without expert parallelism every rank has a part of each.
  bool belongs_here(std::int64_t id) const {
    return !plan_.expert_parallel || placement_.holds(plan_.rank, id);
  }

  // Of the experts that belong here, those that are wanted.
  template <class Wanted>
  RoutedExperts experts(std::int64_t layer, Wanted wanted) {
    RoutedExperts result;
    result.shards = expert_shards();
    result.place_of.assign(std::size_t(config_.n_routed_experts), -1);
    for (std::int64_t id = 0; id < config_.n_routed_experts; ++id) {
      if (!belongs_here(id) || !wanted(id)) continue;
      result.place_of[std::size_t(id)] = std::int32_t(result.matrices.size());
      const std::string piece = plan_.expert_parallel ? expert_piece(id) : shared_piece;
      const WeightUnit place{WeightUse::routed_expert, layer, id};
      result.matrices.push_back(unit(place, piece, [&] {
        return expert(layer_prefix(layer) + "mlp.experts." + std::to_string(id) + ".", result.shards);
      }));
      result.memory.push_back(pieces_.memory({piece, offload_.on_host(place)}));
    }
    return result;
  }

  // The experts of both that belong here, whose memory they share.
  RoutedExperts joined(const RoutedExperts& present, const RoutedExperts& arrived) const {
    RoutedExperts result;
    result.shards = present.shards;
    result.place_of.assign(present.place_of.size(), -1);
    for (std::int64_t id = 0; id < config_.n_routed_experts; ++id) {
      if (!belongs_here(id)) continue;
      const RoutedExperts& from = present.holds(id) ? present : arrived;
      const auto place = std::size_t(from.place_of[std::size_t(id)]);
      result.place_of[std::size_t(id)] = std::int32_t(result.matrices.size());
      result.matrices.push_back(from.matrices[place]);
      result.memory.push_back(from.memory[place]);
    }
    return result;
  }

  RoutedExperts with_table(RoutedExperts experts) const {
    experts.table = ops_.expert_table(experts.view());
    return experts;
  }

  const Checkpoint& checkpoint_;
  const AttentionKind* const attention_;
  const ModelConfig& config_;
  const ShardingPlan& plan_;
  const transport::ExpertPlacement& placement_;
  const bool prediction_;
  kernels::Ops& ops_;
  TickBoard* ticks_;  // may be null
  Offload offload_;
  bool counts_units_ = false;
  WeightPieces pieces_;
  WeightReader weights_;
  bool counting_ = true;            // until there is memory
  std::optional<PieceName> piece_;  // see store_in
  // Of the prediction layer, the tensors that are its own; unset: not known yet.
  std::optional<std::set<std::string>> own_;
  std::set<std::string> found_own_;
};

// Of the experts that a rank has as long as nobody places them.
Offload offload_of(const Checkpoint& checkpoint, kernels::Ops& ops, const AttentionKind& attention,
                   const WeightSelection& selection) {
  if (selection.on_host == 0) return {};
  const auto spread =
      transport::ExpertPlacement::spread(checkpoint.config().n_routed_experts, selection.plan.ranks());
  const WeightSelection unplaced{selection.plan, spread, selection.prediction, 0};
  return Reader(checkpoint, ops, &attention, unplaced, {}, {}).offload(selection.on_host);
}

}  // namespace

DecoderWeights read_decoder(const Checkpoint& checkpoint, kernels::Ops& ops, const AttentionKind& attention,
                            const WeightSelection& selection, const LoadObservers& observers) {
  Offload offload = offload_of(checkpoint, ops, attention, selection);
  return Reader(checkpoint, ops, &attention, selection, std::move(offload), observers).read();
}

CountedWeights count_decoder(const Checkpoint& checkpoint, kernels::Ops& ops, const AttentionKind& attention,
                             const WeightSelection& selection) {
  Offload offload = offload_of(checkpoint, ops, attention, selection);
  return Reader(checkpoint, ops, &attention, selection, std::move(offload), {}).count();
}

void place_experts(const Checkpoint& checkpoint, kernels::Ops& ops, const WeightSelection& selection,
                   const LoadObservers& observers, DecoderWeights& weights) {
  Reader(checkpoint, ops, nullptr, selection, weights.offload, observers).place(weights);
}

}  // namespace troupe::model
