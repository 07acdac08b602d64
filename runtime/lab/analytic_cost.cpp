#include "runtime/lab/analytic_cost.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/base/error.hpp"

namespace troupe::runtime::lab {
namespace {

constexpr std::array<const char*, 9> part_names{"projections",    "attention", "dense layers",
                                                "shared experts", "experts",   "all-reduce",
                                                "all-to-all",     "head",      "overhead"};
constexpr double dispatched_bytes = 1,
                 combined_bytes = 2;  // of a value that goes to experts (FP8) and comes back (BF16)
constexpr double summed_bytes = 2;    // of a value in an all-reduce (BF16)

// The i-th expert is chosen in proportion to 1 / i^skew, but never more than once by a row; all together k times.
std::vector<double> popularity_of(std::int32_t experts, std::int32_t k, double skew) {
  std::vector<double> popularity(std::size_t(experts), 0.0);
  std::size_t certain = 0;  // those that every row chooses
  for (bool settled = false; !settled;) {
    double sum = 0;
    for (std::size_t i = certain; i < popularity.size(); ++i) sum += std::pow(double(i + 1), -skew);
    settled = true;
    for (std::size_t i = certain; i < popularity.size(); ++i)
      popularity[i] = double(std::size_t(k) - certain) * std::pow(double(i + 1), -skew) / sum;
    while (certain < popularity.size() && popularity[certain] > 1) {
      popularity[certain++] = 1;
      settled = false;
    }
  }
  return popularity;
}

}  // namespace

AnalyticCost::AnalyticCost(config::ModelShape model, config::Machine machine, Layout layout)
    : model_(std::move(model)), machine_(std::move(machine)), layout_(layout) {
  if (layout.ranks() > machine_.hosts * machine_.devices_per_host)
    throw Error(std::to_string(layout.ranks()) + " ranks are more than the machine's " +
                    std::to_string(machine_.hosts * machine_.devices_per_host) + " devices",
                "--tensor-parallel-size, --data-parallel-size");
  const std::int32_t tp = layout.tensor_parallel;
  if ((tp != 1 && tp != 2 && tp != 4 && tp != 8) || tp > machine_.devices_per_host)
    throw Error("an all-reduce is known of 1, 2, 4 or 8 ranks within a host, not of " + std::to_string(tp),
                "--tensor-parallel-size");
  if (tp > 1) all_reduce_times_ = machine_.all_reduce(tp);
  popularity_ = popularity_of(model_.n_routed_experts, model_.num_experts_per_tok, model_.expert_skew);
}

double AnalyticCost::read_or_compute(double bytes, double fp8_flop) const {
  return std::max(bytes / (machine_.memory_bandwidth * machine_.memory_efficiency),
                  fp8_flop / (machine_.fp8_flops * machine_.fp8_efficiency));
}

// Experts are dealt to ranks by their popularity, so that the first rank has the most popular ones.
double AnalyticCost::experts_hit(std::int32_t rows) const {
  const auto [hit, is_new] = hits_.try_emplace(rows);
  if (!is_new) return hit->second;
  const std::size_t stride = layout_.expert_parallel ? std::size_t(layout_.ranks()) : 1;
  for (std::size_t i = 0; i < popularity_.size(); i += stride)
    hit->second += 1 - std::pow(1 - popularity_[i], rows);
  return hit->second;
}

// In line between the sizes that were measured, and beyond the last as between the last two.
double AnalyticCost::all_reduce_seconds(double bytes) const {
  if (all_reduce_times_.empty() || bytes == 0) return 0;
  if (all_reduce_times_.size() == 1 || bytes <= all_reduce_times_.front().first)
    return all_reduce_times_.front().second;
  const auto above = std::ranges::lower_bound(all_reduce_times_.begin() + 1, all_reduce_times_.end() - 1,
                                              bytes, {}, &std::pair<double, double>::first);
  const auto& [low, from] = *std::prev(above);
  const auto& [high, to] = *above;
  return from + (to - from) * (bytes - low) / (high - low);
}

// Rows of a group go to the experts of all ranks and come back; with one group every rank has every row, and what they have
// made of them is summed with the rest.
double AnalyticCost::exchange_seconds(double rows) const {
  if (layout_.data_parallel == 1 || rows == 0) return 0;
  const double copies = layout_.expert_parallel ? model_.num_experts_per_tok : layout_.ranks() - 1;
  const double bytes =
      rows / layout_.tensor_parallel * copies * model_.hidden_size * (dispatched_bytes + combined_bytes);
  const int hosts = (layout_.ranks() + machine_.devices_per_host - 1) / machine_.devices_per_host;
  const double across = double(hosts - 1) / hosts;
  double seconds = 2 * machine_.all_to_all_latency + bytes * (1 - across) / machine_.all_to_all_bandwidth;
  if (hosts > 1) seconds += 2 * machine_.network_latency + bytes * across / machine_.network_bandwidth;
  return seconds;
}

void AnalyticCost::add_layers(const StepLoad& load, double dense_layers, double moe_layers,
                              Seconds& out) const {
  const double hidden = model_.hidden_size,
               heads = double(model_.num_attention_heads) / layout_.tensor_parallel;
  const double latent = model_.kv_lora_rank + model_.qk_rope_head_dim, layers = dense_layers + moe_layers;
  const auto weights = [&](double count, double rows) {  // read once, and multiplied with every row
    return read_or_compute(count * model_.weight_bytes, 2 * rows * count);
  };
  out[projections] += layers * weights(projection_weights(), load.rows);
  // Absorbed: scores are of the whole latent, and what they weigh is its part without positions.
  const double flop = load.attended * heads * 2 * (latent + model_.kv_lora_rank);
  out[attention] += layers * std::max(flop / (machine_.bf16_flops * machine_.bf16_efficiency),
                                      read_or_compute(load.context * latent * model_.cache_bytes, 0));
  out[dense] +=
      dense_layers * weights(3 * hidden * model_.intermediate_size / layout_.tensor_parallel, load.rows);
  const double expert = 3 * hidden * model_.moe_intermediate_size;
  out[shared] += moe_layers * weights(expert * model_.n_shared_experts / layout_.tensor_parallel, load.rows);
  const std::int32_t replica_rows = std::max(load.rows, load.replica_rows);
  const double part = layout_.expert_parallel ? 1 : 1.0 / layout_.ranks();  // of each expert, on a rank
  out[routed] += moe_layers * read_or_compute(experts_hit(replica_rows) * expert * part * model_.weight_bytes,
                                              2 * replica_rows * busiest_choices() * expert * part);
  out[all_reduce] += layers * 2 * all_reduce_seconds(load.rows * hidden * summed_bytes);
  out[all_to_all] += moe_layers * exchange_seconds(load.rows);
  out[overhead] += layers * machine_.layer_seconds;
}

// Of a layer, on a rank: what makes the latents is on each, the heads are split.
double AnalyticCost::projection_weights() const {
  const double hidden = model_.hidden_size,
               heads = double(model_.num_attention_heads) / layout_.tensor_parallel;
  const double nope = model_.qk_nope_head_dim, rope = model_.qk_rope_head_dim, value = model_.v_head_dim;
  return hidden * (model_.q_lora_rank + model_.kv_lora_rank + rope) +
         heads * (model_.q_lora_rank * (nope + rope) + model_.kv_lora_rank * (nope + value) + value * hidden);
}

// How many experts of the rank that has the most popular ones a row chooses.
double AnalyticCost::busiest_choices() const {
  if (!layout_.expert_parallel) return model_.num_experts_per_tok;
  double sum = 0;
  for (std::size_t i = 0; i < popularity_.size(); i += std::size_t(layout_.ranks())) sum += popularity_[i];
  return sum;
}

void AnalyticCost::add_head(const StepLoad& load, Seconds& out) const {
  const double weights = double(model_.hidden_size) * model_.vocab_size / layout_.tensor_parallel;
  out[head] += std::max(read_or_compute(weights * model_.head_bytes, 0),
                        2 * load.samples * weights / (machine_.bf16_flops * machine_.bf16_efficiency));
}

AnalyticCost::Seconds AnalyticCost::model_seconds(const StepLoad& load) const {
  Seconds seconds{};
  add_layers(load, model_.first_k_dense_replace, model_.num_hidden_layers - model_.first_k_dense_replace,
             seconds);
  add_head(load, seconds);
  seconds[overhead] += machine_.step_seconds;
  return seconds;
}

// The prediction layer is one more with experts, and reads the head again.
double AnalyticCost::prediction_seconds(const StepLoad& load) const {
  if (load.predictions == 0) return 0;
  Seconds seconds{};
  add_layers(load, 0, 1, seconds);
  add_head(load, seconds);
  return load.predictions * std::accumulate(seconds.begin(), seconds.end(), 0.0);
}

StepTimes AnalyticCost::step(const StepLoad& load) const {
  const Seconds seconds = model_seconds(load);
  return {std::accumulate(seconds.begin(), seconds.end(), 0.0), prediction_seconds(load)};
}

std::vector<CostPart> AnalyticCost::explain(const StepLoad& load) const {
  const Seconds seconds = model_seconds(load);
  std::vector<CostPart> explained;
  for (std::size_t i = 0; i < parts; ++i) explained.push_back({part_names[i], seconds[i]});
  explained.push_back({"prediction", prediction_seconds(load)});
  return explained;
}

double AnalyticCost::weight_bytes() const {
  const double hidden = model_.hidden_size, tp = layout_.tensor_parallel;
  const double predicting = model_.num_nextn_predict_layers;
  const double dense_layers = model_.first_k_dense_replace;
  const double moe_layers = model_.num_hidden_layers - dense_layers + predicting;
  const double expert = 3 * hidden * model_.moe_intermediate_size;
  const double weights =
      (dense_layers + moe_layers) * projection_weights() +
      dense_layers * 3 * hidden * model_.intermediate_size / tp +
      moe_layers * expert *
          (model_.n_shared_experts / tp + double(model_.n_routed_experts) / layout_.ranks());
  return weights * model_.weight_bytes + hidden * model_.vocab_size * (1 + 1 / tp) * model_.head_bytes;
}

std::int32_t AnalyticCost::blocks(std::int32_t block_size) const {
  const double layers = model_.num_hidden_layers + model_.num_nextn_predict_layers;
  const double block =
      block_size * layers * (model_.kv_lora_rank + model_.qk_rope_head_dim) * model_.cache_bytes;
  const double left = machine_.memory_bytes - machine_.reserved_bytes - weight_bytes();
  if (left < block)
    throw Error("a rank's " + std::to_string(std::int64_t(weight_bytes() / 1e9)) +
                    " GB of weights leave no memory for a cache of " +
                    std::to_string(std::int64_t(machine_.memory_bytes / 1e9)) + " GB in all",
                "the machine", "more ranks or hosts have less each");
  return std::int32_t(std::min(left / block, double(1 << 30)));
}

}  // namespace troupe::runtime::lab
