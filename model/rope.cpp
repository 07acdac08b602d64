#include "model/rope.hpp"

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
  return double(config.qk_rope_head_dim) * elementary::log(context / (turns * 2 * std::numbers::pi)) /
         (2 * elementary::log(config.rope_theta));
}

}  // namespace

std::vector<float> rope_frequencies(const ModelConfig& config) {
  const std::int64_t dim = config.qk_rope_head_dim;
  double low = 0, high = 0;
  if (config.yarn) {
    low = std::max(std::floor(pair_turning(config, config.yarn->beta_fast)), 0.0);
    high = std::min(std::ceil(pair_turning(config, config.yarn->beta_slow)), double(dim - 1));
    if (low == high) high += 0.001;  // as upstream, against a division by zero
  }
  std::vector<float> frequencies;
  for (std::int64_t i = 0; i < dim / 2; ++i) {
    const double plain = 1 / elementary::pow(config.rope_theta, double(2 * i) / double(dim));
    // Pairs that turn often keep their frequency, those that turn seldom are stretched by the factor.
    const double stretched = config.yarn ? std::clamp((double(i) - low) / (high - low), 0.0, 1.0) : 0.0;
    const double factor = config.yarn ? config.yarn->factor : 1.0;
    frequencies.push_back(float(plain / factor * stretched + plain * (1 - stretched)));
  }
  return frequencies;
}

float rope_amplitude(const ModelConfig& config) {
  if (!config.yarn) return 1;
  const auto& [factor, original, fast, slow, mscale, mscale_all_dim] = *config.yarn;
  if (mscale != 0 && mscale_all_dim != 0)
    return float(mscale_of(factor, mscale) / mscale_of(factor, mscale_all_dim));
  return float(mscale_of(factor, 1));
}

float softmax_scale(const ModelConfig& config) {
  const double plain = 1 / std::sqrt(double(config.qk_nope_head_dim + config.qk_rope_head_dim));
  if (!config.yarn || config.yarn->mscale_all_dim == 0) return float(plain);
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
