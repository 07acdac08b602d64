// Rotary position embedding, with YaRN (Peng et al. 2023) or Llama 3's scaling where the config asks for it.
// Formulas as in transformers' modeling_rope_utils and DeepseekV3Attention. Pure functions; any thread.
#pragma once

#include <vector>

#include "kernels/ops.hpp"
#include "model/config.hpp"

namespace troupe::model {

// Angles stay within the range of our sine and cosine.
constexpr std::int64_t max_rope_positions = 1'000'000;

// Radians a position, by pair of elements: [rope / 2].
std::vector<float> rope_frequencies(const ModelConfig& config);
// What cosines and sines are multiplied by; 1 without YaRN.
float rope_amplitude(const ModelConfig& config);
// What a query's dot product with a key is multiplied by.
float softmax_scale(const ModelConfig& config);
// Fills cos and sin [positions, rope / 2], at most max_rope_positions, in memory that the host can reach.
void fill_rope_table(const ModelConfig& config, const kernels::RopeTable& table);

}  // namespace troupe::model
