#include "model/graphs/rope.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/elementary.hpp"

namespace troupe::model {

namespace elementary = kernels::elementary;

namespace {

// YaRN's attention temperature; 1 where nothing is stretched.
double mscale_of(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * elementary::log(factor) + 1.0;
}

// The pair that turns this many times over the original context (find_correction_dim upstream).
double pair_turning(const ModelConfig& config, double turns) {
  const double context = double(config.yarn->original_max_position_embeddings);
  return double(config.rope_dim()) * elementary::log(context / (turns * 2 * std::numbers::pi)) /
         (2 * elementary::log(config.rope_theta));
}

// How far pairs are stretched, from 0 to 1: those that turn often keep their frequency, those that turn seldom are
// stretched by the factor.
class Stretch {
 public:
  explicit Stretch(const ModelConfig& config) : config_(config) {
    if (!config.yarn) return;
    low_ = std::max(std::floor(pair_turning(config, config.yarn->beta_fast)), 0.0);
    high_ = std::min(std::ceil(pair_turning(config, config.yarn->beta_slow)), double(config.rope_dim() - 1));
    if (low_ == high_) high_ += 0.001;  // as upstream, against a division by zero
  }

  double factor() const {
    return config_.yarn ? config_.yarn->factor : config_.llama3 ? config_.llama3->factor : 1;
  }
  // frequency: of the pair, before it is stretched.
  double of(std::int64_t pair, double frequency) const {
    if (config_.yarn) return std::clamp((double(pair) - low_) / (high_ - low_), 0.0, 1.0);
    if (!config_.llama3) return 0;
    const auto& [factor, low, high, context] = *config_.llama3;
    const double turns = double(context) * frequency / (2 * std::numbers::pi);
    return 1 - std::clamp((turns - low) / (high - low), 0.0, 1.0);
  }

 private:
  const ModelConfig& config_;
  double low_ = 0, high_ = 0;  // YaRN's pairs
};

}  // namespace

std::vector<float> rope_frequencies(const ModelConfig& config) {
  const std::int64_t dim = config.rope_dim();
  const Stretch stretch(config);
  std::vector<float> frequencies;
  for (std::int64_t i = 0; i < dim / 2; ++i) {
    const double plain = 1 / elementary::pow(config.rope_theta, double(2 * i) / double(dim));
    const double stretched = stretch.of(i, plain);
    frequencies.push_back(float(plain / stretch.factor() * stretched + plain * (1 - stretched)));
  }
  return frequencies;
}

float rope_amplitude(const ModelConfig& config) {
  if (!config.yarn) return 1;
  const Yarn& yarn = *config.yarn;
  if (yarn.mscale != 0 && yarn.mscale_all_dim != 0)
    return float(yarn.attn_factor * mscale_of(yarn.factor, yarn.mscale) /
                 mscale_of(yarn.factor, yarn.mscale_all_dim));
  return float(yarn.attn_factor * mscale_of(yarn.factor, 1));
}

float softmax_scale(const ModelConfig& config) {
  const double plain = 1 / std::sqrt(double(config.query_dim()));
  // DeepSeek's alone; others scale what is turned (rope_amplitude).
  if (!config.has_latent() || !config.yarn || config.yarn->mscale_all_dim == 0) return float(plain);
  // Once for the queries and once for the keys.
  const double mscale = mscale_of(config.yarn->factor, config.yarn->mscale_all_dim);
  return float(plain * mscale * mscale);
}

void fill_rope_table(const ModelConfig& config, const kernels::RopeTable& table) {
  const std::vector<float> frequencies = rope_frequencies(config);
  const float amplitude = rope_amplitude(config);
  float* cosine = table.cos.as<float>();
  float* sine = table.sin.as<float>();
  for (std::int64_t position = 0; position < table.cos.rows(); ++position)
    for (float frequency : frequencies) {
      const float angle = float(position) * frequency;  // rounded to F32, as in the training of these models
      *cosine++ = float(elementary::cos(angle)) * amplitude;
      *sine++ = float(elementary::sin(angle)) * amplitude;
    }
}

}  // namespace troupe::model
