#include "model/graphs/decoder_weights.hpp"

#include <algorithm>
#include <cstring>
#include <set>
#include <string>

#include "model/checkpoint/weight_pieces.hpp"
#include "model/checkpoint/weights.hpp"
#include "model/graphs/plan_cut.hpp"
#include "runtime/base/digest.hpp"

namespace troupe::model {

using kernels::VirtualShards;

namespace {

constexpr std::int64_t rows_between_ticks = 256;  // few MB
constexpr const char* shared_piece = "shared";    // all but experts that can leave

std::string expert_piece(std::int64_t id) {
  return "expert " + std::to_string(id);
}

// What decides the bytes of a rank's pieces of memory, but for the program, which is the same in all its lives.
std::string contents_of(const Checkpoint& checkpoint, const kernels::Ops& ops, const ShardingPlan& plan,
                        bool prediction) {
  std::string text = checkpoint.identity() + "\n" + std::string(ops.arithmetic());
  for (const int number : {plan.rank, plan.tensor_parallel, plan.data_parallel, int(plan.expert_parallel),
                           plan.virtual_shards, plan.expert_shards, int(prediction)})
    text += " " + std::to_string(number);
  return digest(text);
}

// Names tensors and cuts them to the plan.
class Reader {
 public:
  // attention: may be null when only experts are read.
  Reader(const Checkpoint& checkpoint, kernels::Ops& ops, const AttentionKind* attention,
         const ShardingPlan& plan, const transport::ExpertPlacement& placement,
         const LoadObservers& observers, bool prediction)
      : checkpoint_(checkpoint),
        attention_(attention),
        config_(checkpoint.config()),
        plan_(plan),
        placement_(placement),
        ops_(ops),
        ticks_(observers.ticks),
        pieces_(ops, observers.keeper, contents_of(checkpoint, ops, plan, prediction)),
        weights_(checkpoint, ops, observers) {}

  DecoderWeights read(bool with_prediction) {
    if (const auto note = pieces_.note(shared_piece)) note_own(*note);
    lay_out(with_prediction);
    if (!own_) own_ = found_own_;
    take();
    DecoderWeights model = lay_out(with_prediction);
    model.memory = pieces_.memory(shared_piece);
    for (LayerWeights& layer : model.layers)
      if (auto* moe = std::get_if<MoeWeights>(&layer.feed_forward)) moe->experts = with_table(moe->experts);
    weights_.run();
    pieces_.keep(shared_piece, note_of_own());
    return model;
  }

  CountedWeights count(bool with_prediction) {
    DecoderWeights model = lay_out(with_prediction);
    return {std::move(model), pieces_.counted()};
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
    for (const std::int64_t id : left) pieces_.drop(expert_piece(id));
  }

 private:
  void take() {
    pieces_.take();
    counting_ = false;
  }

  // What is planned next goes there.
  void store_in(const std::string& piece) {
    weights_.store_in(pieces_.storage(piece), !counting_ && !pieces_.filled(piece));
  }

  DecoderWeights lay_out(bool with_prediction) {
    DecoderWeights model;
    store_in(shared_piece);
    const std::int64_t part = padded_part(plan_, config_.vocab_size);
    const Slice rows = rows_of(plan_, config_.vocab_size);
    model.first_token = TokenId(rows.first);
    model.vocab_part = part;
    const Slice hidden = all(config_.hidden_size);
    if (config_.tie_word_embeddings) {
      model.embedding = model.lm_head = weights_.matrix("model.embed_tokens.weight", rows, hidden, part);
    } else {
      model.embedding = weights_.table("model.embed_tokens.weight", rows, hidden, part);
      model.lm_head = weights_.matrix("lm_head.weight", rows, hidden, part);
    }
    model.norm = weights_.vector("model.norm.weight");
    const std::int64_t layers = config_.num_hidden_layers + with_prediction;
    for (std::int64_t i = 0; i < layers; ++i) model.layers.push_back(layer(i));
    if (with_prediction) model.prediction = prediction(model);
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
    layer.attention = attention_->read(weights_, config_, plan_, prefix + "self_attn.");
    if (config_.is_moe(index))
      layer.feed_forward = moe(prefix + "mlp.");
    else
      layer.feed_forward = swiglu(prefix + "mlp.", config_.intermediate_size);
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

  SwiGlu swiglu(const std::string& prefix, std::int64_t intermediate) {
    const VirtualShards shards = group_shards(plan_, intermediate);
    return {expert(prefix, shards), shards};
  }

  MoeWeights moe(const std::string& prefix) {
    const std::int64_t experts = config_.n_routed_experts, inner = config_.moe_intermediate_size;
    MoeWeights w;
    w.router = weights_.matrix(prefix + "gate.weight", all(experts), all(config_.hidden_size));
    if (config_.routing_bias) w.bias = weights_.vector(prefix + "gate.e_score_correction_bias");
    if (config_.n_shared_experts > 0)
      w.shared = swiglu(prefix + "shared_experts.", inner * config_.n_shared_experts);
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
      store_in(piece);
      result.matrices.push_back(
          expert(layer_prefix(layer) + "mlp.experts." + std::to_string(id) + ".", result.shards));
      result.memory.push_back(pieces_.memory(piece));
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
  kernels::Ops& ops_;
  TickBoard* ticks_;  // may be null
  WeightPieces pieces_;
  WeightReader weights_;
  bool counting_ = true;  // until there is memory
  // Of the prediction layer, the tensors that are its own; unset: not known yet.
  std::optional<std::set<std::string>> own_;
  std::set<std::string> found_own_;
};

}  // namespace

DecoderWeights read_decoder(const Checkpoint& checkpoint, kernels::Ops& ops, const AttentionKind& attention,
                            const ShardingPlan& plan, const transport::ExpertPlacement& placement,
                            const LoadObservers& observers, bool prediction) {
  return Reader(checkpoint, ops, &attention, plan, placement, observers, prediction).read(prediction);
}

CountedWeights count_decoder(const Checkpoint& checkpoint, kernels::Ops& ops, const AttentionKind& attention,
                             const ShardingPlan& plan, const transport::ExpertPlacement& placement,
                             bool prediction) {
  return Reader(checkpoint, ops, &attention, plan, placement, {}, prediction).count(prediction);
}

void place_experts(const Checkpoint& checkpoint, kernels::Ops& ops, const ShardingPlan& plan,
                   const transport::ExpertPlacement& placement, const LoadObservers& observers,
                   DecoderWeights& weights) {
  const bool prediction = weights.prediction.has_value();
  Reader(checkpoint, ops, nullptr, plan, placement, observers, prediction).place(weights);
}

}  // namespace troupe::model
