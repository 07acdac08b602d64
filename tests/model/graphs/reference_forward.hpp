// A decoder of any family in plain double-precision loops, written from the published equations and without any trick
// of the runtime: keys and values are expanded, nothing is absorbed, split, batched or cached.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/weights.hpp"
#include "model/checkpoint/checkpoint.hpp"

namespace troupe::model {

// What V3.2's index takes of positions with equal scores, which are many: all whose products are negative score 0. The
// runtime takes the lower ones, torch.topk on a CPU those that std::nth_element leaves in front.
enum class IndexTies { lower_positions, as_torch };

class ReferenceModel {
 public:
  using Vector = std::vector<double>;
  using Rows = std::vector<Vector>;

  explicit ReferenceModel(const Checkpoint& checkpoint, IndexTies ties = IndexTies::lower_positions)
      : checkpoint_(checkpoint), c_(checkpoint.config()), ties_(ties) {}

  // What the head takes: [tokens, hidden], under the last norm.
  Rows states(std::span<const TokenId> tokens) {
    margins_.assign(tokens.size(), std::numeric_limits<double>::infinity());
    const Rows& table = matrix("model.embed_tokens.weight");
    Rows h;
    for (TokenId token : tokens) h.push_back(table[std::size_t(token)]);
    for (std::int64_t i = 0; i < c_.num_hidden_layers; ++i) layer(h, i);
    return normed(h, "model.norm", c_.rms_norm_eps);
  }

  // Logits [tokens, vocab_size].
  std::vector<float> logits(std::span<const TokenId> tokens) { return logits(states(tokens), head()); }

  // A position's entry into the prediction layer: a state and the token that follows.
  Vector entry(const Vector& state, TokenId next) {
    const std::string layer = prediction();
    Vector joined =
        normed(matrix(shared(layer + "embed_tokens", "model.embed_tokens") + ".weight")[std::size_t(next)],
               layer + "enorm", c_.rms_norm_eps);
    const Vector half = normed(state, layer + "hnorm", c_.rms_norm_eps);
    joined.insert(joined.end(), half.begin(), half.end());
    return linear(joined, layer + "eh_proj");
  }

  struct Predicted {
    Rows hidden, states;        // before and under the norm of the layer's head
    std::vector<float> logits;  // [positions, vocab_size]
  };
  // The prediction layer over the entries of positions 0, 1...
  Predicted predicted(Rows entries) {
    margins_.assign(entries.size(), std::numeric_limits<double>::infinity());
    layer(entries, c_.num_hidden_layers);
    const Rows states = normed(entries, prediction() + "shared_head.norm", c_.rms_norm_eps);
    return {entries, states, logits(states, shared(prediction() + "shared_head.head", head()))};
  }

  // For each token of the last text, by how much a score decided its closest choice of a group or an expert.
  const Vector& margins() const { return margins_; }

 private:
  std::string head() const { return c_.tie_word_embeddings ? "model.embed_tokens" : "lm_head"; }
  std::string prediction() const { return "model.layers." + std::to_string(c_.num_hidden_layers) + "."; }
  std::string shared(const std::string& own, const std::string& main) const {
    return checkpoint_.has(own + ".weight") ? own : main;
  }

  std::vector<float> logits(const Rows& states, const std::string& head) {
    std::vector<float> all;
    for (const Vector& row : states)
      for (double logit : linear(row, head)) all.push_back(float(logit));
    return all;
  }

  void layer(Rows& h, std::int64_t i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    add(h, attention(normed(h, layer + "input_layernorm", c_.rms_norm_eps), layer + "self_attn."));
    Rows x = normed(h, layer + "post_attention_layernorm", c_.rms_norm_eps);
    for (std::size_t t = 0; t < h.size(); ++t) {
      const Vector y = c_.is_moe(i) ? moe(x[t], layer + "mlp.", margins_[t]) : mlp(x[t], layer + "mlp.");
      for (std::size_t j = 0; j < y.size(); ++j) h[t][j] += y[j];
    }
  }

  static void add(Rows& x, const Rows& y) {
    for (std::size_t t = 0; t < x.size(); ++t)
      for (std::size_t j = 0; j < x[t].size(); ++j) x[t][j] += y[t][j];
  }

  const Rows& matrix(const std::string& name) {
    auto [at, is_new] = matrices_.try_emplace(name);
    if (!is_new) return at->second;
    const StoredTensor& stored = checkpoint_.tensor(name);
    kernels::Weight w{.data = stored.bytes.data(), .dtype = stored.dtype};
    w.rows = stored.shape.size() == 1 ? 1 : stored.shape.front();
    w.cols = stored.shape.back();
    std::vector<float> scales;
    if (stored.dtype == kernels::DType::f8_e4m3) {
      const StoredTensor& inverse = checkpoint_.tensor(name + "_scale_inv");
      scales.resize(inverse.bytes.size() / sizeof(float));
      std::memcpy(scales.data(), inverse.bytes.data(), inverse.bytes.size());
      w.scales = scales.data();
      w.scale_stride = inverse.shape.back();
      w.block_rows = c_.fp8->rows;
      w.block_cols = c_.fp8->cols;
    }
    for (std::int64_t r = 0; r < w.rows; ++r) {
      Vector& row = at->second.emplace_back();
      for (std::int64_t k = 0; k < w.cols; ++k) row.push_back(double(kernels::dequantise(w, r, k)));
    }
    return at->second;
  }

  Vector linear(const Vector& x, const std::string& name) {
    Vector out;
    for (const Vector& row : matrix(name + ".weight")) {
      double sum = 0;
      for (std::size_t k = 0; k < row.size(); ++k) sum += row[k] * x[k];
      out.push_back(sum);
    }
    return out;
  }

  Vector normed(Vector x, const std::string& name, double epsilon) {
    const Vector& weight = matrix(name + ".weight").front();
    double squares = 0;
    for (double v : x) squares += v * v;
    const double scale = 1 / std::sqrt(squares / double(x.size()) + epsilon);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] *= scale * weight[i];
    return x;
  }
  Rows normed(Rows x, const std::string& name, double epsilon) {
    for (Vector& row : x) row = normed(std::move(row), name, epsilon);
    return x;
  }

  static double yarn_mscale(double factor, double mscale) {
    return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1;
  }

  double frequency(std::int64_t pair) const {
    const double dim = double(c_.rope_dim());
    const double plain = std::pow(c_.rope_theta, -2.0 * double(pair) / dim);
    if (c_.llama3) {
      const double turns =
          double(c_.llama3->original_max_position_embeddings) * plain / (2 * std::numbers::pi);
      const double smooth =
          (turns - c_.llama3->low_freq_factor) / (c_.llama3->high_freq_factor - c_.llama3->low_freq_factor);
      if (smooth >= 1) return plain;
      return smooth <= 0 ? plain / c_.llama3->factor
                         : (1 - smooth) * plain / c_.llama3->factor + smooth * plain;
    }
    if (!c_.yarn) return plain;
    const auto turning = [&](double turns) {
      return dim *
             std::log(double(c_.yarn->original_max_position_embeddings) / (turns * 2 * std::numbers::pi)) /
             (2 * std::log(c_.rope_theta));
    };
    const double low = std::max(std::floor(turning(c_.yarn->beta_fast)), 0.0);
    double high = std::min(std::ceil(turning(c_.yarn->beta_slow)), dim - 1);
    if (low == high) high += 0.001;
    const double ramp = std::clamp((double(pair) - low) / (high - low), 0.0, 1.0);
    return plain * (1 - ramp) + plain / c_.yarn->factor * ramp;
  }

  // The rotation by position * frequency(i) of pair i: neighbours (2i, 2i+1), or (i, i + half).
  Vector rotated(const double* x, std::size_t position, bool neighbours) const {
    const double amplitude = !c_.yarn ? 1
                             : c_.yarn->mscale_all_dim
                                 ? yarn_mscale(c_.yarn->factor, c_.yarn->mscale) /
                                       yarn_mscale(c_.yarn->factor, c_.yarn->mscale_all_dim)
                                 : yarn_mscale(c_.yarn->factor, 1) * c_.yarn->attn_factor;
    const std::size_t half = std::size_t(c_.rope_dim() / 2);
    Vector out(2 * half);
    for (std::size_t i = 0; i < half; ++i) {
      const std::size_t one = neighbours ? 2 * i : i, other = neighbours ? 2 * i + 1 : i + half;
      const double angle = double(position) * frequency(std::int64_t(i));
      const double cosine = std::cos(angle) * amplitude, sine = std::sin(angle) * amplitude;
      out[one] = x[one] * cosine - x[other] * sine;
      out[other] = x[other] * cosine + x[one] * sine;
    }
    return out;
  }

  struct Projected {
    std::vector<Vector> queries, keys, values;  // a head
  };

  Projected project(const Vector& x, std::size_t position, const std::string& prefix) {
    return c_.has_latent() ? project_latent(x, position, prefix) : project_grouped(x, position, prefix);
  }

  // The head's part of a projection, with what the family does to it.
  Vector part_of_head(const Vector& all, std::size_t head, const std::string& norm) {
    const std::size_t width = std::size_t(c_.grouped().head_dim);
    const auto first = all.begin() + std::ptrdiff_t(head * width);
    const Vector part(first, first + std::ptrdiff_t(width));
    return c_.grouped().head_norms && !norm.empty() ? normed(part, norm, c_.rms_norm_eps) : part;
  }

  Projected project_grouped(const Vector& x, std::size_t position, const std::string& prefix) {
    Vector all[3];
    const char* const names[] = {"q_proj", "k_proj", "v_proj"};
    for (int i = 0; i < 3; ++i) {
      all[i] = linear(x, prefix + names[i]);
      if (!c_.grouped().biases) continue;
      const Vector& bias = matrix(prefix + names[i] + ".bias").front();
      for (std::size_t k = 0; k < bias.size(); ++k) all[i][k] += bias[k];
    }
    Projected out;
    const std::int64_t group = c_.num_attention_heads / c_.grouped().num_key_value_heads;
    for (std::int64_t head = 0; head < c_.num_attention_heads; ++head) {
      const std::size_t query = std::size_t(head), key = std::size_t(head / group);
      out.queries.push_back(rotated(part_of_head(all[0], query, prefix + "q_norm").data(), position, false));
      out.keys.push_back(rotated(part_of_head(all[1], key, prefix + "k_norm").data(), position, false));
      out.values.push_back(part_of_head(all[2], key, ""));
    }
    return out;
  }

  Projected project_latent(const Vector& x, std::size_t position, const std::string& prefix) {
    const std::size_t nope = std::size_t(c_.latent().qk_nope_head_dim),
                      rope = std::size_t(c_.latent().qk_rope_head_dim),
                      value = std::size_t(c_.latent().v_head_dim),
                      latent = std::size_t(c_.latent().kv_lora_rank);
    const Vector q = c_.latent().q_lora_rank > 0
                         ? linear(normed(linear(x, prefix + "q_a_proj"), prefix + "q_a_layernorm", 1e-6),
                                  prefix + "q_b_proj")
                         : linear(x, prefix + "q_proj");
    Vector compressed = linear(x, prefix + "kv_a_proj_with_mqa");
    const Vector rope_key = rotated(compressed.data() + latent, position, true);
    compressed.resize(latent);
    const Vector kv = linear(normed(compressed, prefix + "kv_a_layernorm", 1e-6), prefix + "kv_b_proj");
    Projected out;
    for (std::size_t head = 0; head < std::size_t(c_.num_attention_heads); ++head) {
      const double* of_head = q.data() + head * (nope + rope);
      Vector query(of_head, of_head + nope);
      const Vector query_rope = rotated(of_head + nope, position, true);
      query.insert(query.end(), query_rope.begin(), query_rope.end());
      const double* kv_of_head = kv.data() + head * (nope + value);
      Vector key(kv_of_head, kv_of_head + nope);
      key.insert(key.end(), rope_key.begin(), rope_key.end());
      out.queries.push_back(std::move(query));
      out.keys.push_back(std::move(key));
      out.values.emplace_back(kv_of_head + nope, kv_of_head + nope + value);
    }
    return out;
  }

  // V3.2's index: what a token's queries, key and heads' weights are.
  struct Indexed {
    Rows queries;
    Vector key, weights;
  };
  Indexed index(const Vector& x, std::size_t position, const std::string& prefix) {
    const std::size_t dim = std::size_t(c_.latent().indexer->index_head_dim);
    const auto turned = [&](Vector head) {
      const Vector first = rotated(head.data(), position, false);
      std::copy(first.begin(), first.end(), head.begin());
      return head;
    };
    Indexed out;
    const Vector low = normed(linear(x, prefix + "q_a_proj"), prefix + "q_a_layernorm", 1e-6);
    const Vector queries = linear(low, prefix + "indexer.wq_b");
    for (auto head = queries.begin(); head != queries.end(); head += std::ptrdiff_t(dim))
      out.queries.push_back(turned(Vector(head, head + std::ptrdiff_t(dim))));
    Vector key = linear(x, prefix + "indexer.wk");
    double mean = 0, squares = 0;
    for (double v : key) mean += v / double(dim);
    for (double v : key) squares += (v - mean) * (v - mean);
    for (std::size_t i = 0; i < dim; ++i)
      key[i] = (key[i] - mean) / std::sqrt(squares / double(dim) + 1e-6) *
                   matrix(prefix + "indexer.k_norm.weight").front()[i] +
               matrix(prefix + "indexer.k_norm.bias").front()[i];
    out.key = turned(key);
    out.weights = linear(x, prefix + "indexer.weights_proj");
    return out;
  }

  // The positions that the last of these tokens attends to. length: of the text, on which torch's choice depends. margin
  // becomes this choice's, if it is closer, but for torch's.
  std::vector<std::size_t> selected(const std::vector<Indexed>& tokens, std::size_t length, double& margin) {
    std::vector<std::pair<double, std::size_t>> scores;
    for (std::size_t s = 0; s < tokens.size(); ++s) {
      double score = 0;
      for (std::size_t head = 0; head < tokens.back().queries.size(); ++head) {
        double dot = 0;
        for (std::size_t i = 0; i < tokens[s].key.size(); ++i)
          dot += tokens.back().queries[head][i] * tokens[s].key[i];
        score += tokens.back().weights[head] * std::max(dot, 0.0);
      }
      scores.push_back({-score, s});
    }
    const std::size_t most = std::size_t(c_.latent().indexer->index_topk);
    if (ties_ == IndexTies::as_torch && scores.size() > most) {
      // As torch does where 64 * most is more than length; what is not seen yet scores minus infinity.
      for (std::size_t s = scores.size(); s < length; ++s)
        scores.push_back({std::numeric_limits<double>::infinity(), s});
      std::nth_element(scores.begin(), scores.begin() + std::ptrdiff_t(most) - 1, scores.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
      scores.resize(most);
    }
    std::sort(scores.begin(), scores.end());
    if (scores.size() > most) {
      margin = std::min(margin, scores[most].first - scores[most - 1].first);
      scores.resize(most);
    }
    std::vector<std::size_t> positions;
    for (const auto& [score, position] : scores) positions.push_back(position);
    return positions;
  }

  Rows attention(const Rows& x, const std::string& prefix) {
    double scale = 1 / std::sqrt(double(c_.query_dim()));
    if (c_.yarn && c_.yarn->mscale_all_dim != 0)
      scale *= std::pow(yarn_mscale(c_.yarn->factor, c_.yarn->mscale_all_dim), 2);
    std::vector<Projected> tokens;
    std::vector<Indexed> indexed;
    Rows out;
    for (std::size_t t = 0; t < x.size(); ++t) {
      tokens.push_back(project(x[t], t, prefix));
      std::vector<std::size_t> positions(t + 1);
      std::iota(positions.begin(), positions.end(), 0);
      if (c_.has_latent() && c_.latent().indexer) {
        indexed.push_back(index(x[t], t, prefix));
        positions = selected(indexed, x.size(), margins_[t]);
      }
      Vector joined;
      for (std::size_t head = 0; head < std::size_t(c_.num_attention_heads); ++head) {
        Vector weights;
        for (std::size_t s : positions) {
          double dot = 0;
          for (std::size_t i = 0; i < tokens[s].keys[head].size(); ++i)
            dot += tokens[t].queries[head][i] * tokens[s].keys[head][i];
          weights.push_back(dot * scale);
        }
        const double most = *std::max_element(weights.begin(), weights.end());
        double total = 0;
        for (double& weight : weights) total += weight = std::exp(weight - most);
        Vector mean(tokens[t].values[head].size(), 0.0);
        for (std::size_t s = 0; s < weights.size(); ++s)
          for (std::size_t i = 0; i < mean.size(); ++i)
            mean[i] += weights[s] / total * tokens[positions[s]].values[head][i];
        joined.insert(joined.end(), mean.begin(), mean.end());
      }
      out.push_back(linear(joined, prefix + "o_proj"));
    }
    return out;
  }

  Vector mlp(const Vector& x, const std::string& prefix) {
    Vector gate = linear(x, prefix + "gate_proj");
    const Vector up = linear(x, prefix + "up_proj");
    for (std::size_t i = 0; i < gate.size(); ++i) gate[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
    return linear(gate, prefix + "down_proj");
  }

  // Scores of the experts: V3's sigmoids, V2's softmax.
  Vector scored(Vector scores) const {
    if (c_.scoring_func == kernels::Scoring::sigmoid) {
      for (double& score : scores) score = 1 / (1 + std::exp(-score));
      return scores;
    }
    double total = 0;
    for (double& score : scores) total += score = std::exp(score);
    for (double& score : scores) score /= total;
    return scores;
  }

  // Experts by their scores, V3's biased, within the best groups: V3's by their two best, V2's by their best.
  std::vector<std::pair<std::size_t, double>> routed(const Vector& x, const std::string& prefix,
                                                     double& margin) {
    const bool sigmoid = c_.scoring_func == kernels::Scoring::sigmoid;
    const Vector scores = scored(linear(x, prefix + "gate"));
    Vector biased = scores;
    if (c_.routing_bias) {
      const Vector& bias = matrix(prefix + "gate.e_score_correction_bias").front();
      for (std::size_t e = 0; e < scores.size(); ++e) biased[e] += bias[e];
    }
    const std::size_t groups = std::size_t(c_.n_group), size = scores.size() / groups;
    std::vector<std::pair<double, std::size_t>> best_groups, best;
    for (std::size_t g = 0; g < groups; ++g) {
      Vector group(biased.begin() + std::ptrdiff_t(g * size),
                   biased.begin() + std::ptrdiff_t((g + 1) * size));
      std::sort(group.rbegin(), group.rend());
      best_groups.push_back({-(group[0] + (sigmoid && size > 1 ? group[1] : 0)), g});
    }
    std::sort(best_groups.begin(), best_groups.end());
    for (std::size_t i = 0; i < std::size_t(c_.topk_group); ++i)
      for (std::size_t e = 0; e < size; ++e) {
        const std::size_t expert = best_groups[i].second * size + e;
        best.push_back({-biased[expert], expert});
      }
    std::sort(best.begin(), best.end());
    for (const auto& [sorted, kept] :
         {std::pair(best_groups, c_.topk_group), std::pair(best, c_.num_experts_per_tok)})
      if (std::size_t(kept) < sorted.size())
        margin = std::min(margin, sorted[std::size_t(kept)].first - sorted[std::size_t(kept) - 1].first);
    best.resize(std::size_t(c_.num_experts_per_tok));
    double total = 0;
    for (const auto& [score, expert] : best) total += scores[expert];
    std::vector<std::pair<std::size_t, double>> chosen;
    for (const auto& [score, expert] : best)
      chosen.push_back({expert, scores[expert] / (c_.norm_topk_prob ? total : 1) * c_.routed_scaling_factor});
    return chosen;
  }

  // margin becomes the closest choice's, if it is closer.
  Vector moe(const Vector& x, const std::string& prefix, double& margin) {
    Vector out(x.size(), 0.0);
    for (const auto& [expert, weight] : routed(x, prefix, margin)) {
      const Vector y = mlp(x, prefix + "experts." + std::to_string(expert) + ".");
      for (std::size_t i = 0; i < out.size(); ++i) out[i] += weight * y[i];
    }
    if (c_.n_shared_experts == 0) return out;
    const Vector y = mlp(x, prefix + "shared_experts.");
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += y[i];
    return out;
  }

  const Checkpoint& checkpoint_;
  const ModelConfig& c_;
  IndexTies ties_;
  std::map<std::string, Rows> matrices_;
  Vector margins_;
};

}  // namespace troupe::model
