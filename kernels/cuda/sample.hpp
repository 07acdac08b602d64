// What the kernels of sample.cu are given: see kernel.hpp. Plain data, with pointers to the device's memory.
#pragma once

#include <cstdint>

#include "kernels/ops.hpp"

namespace troupe::kernels::cuda {

// SamplingRow, with pointers to the device's memory.
struct HowToSample {
  float temperature, top_p, min_p;
  std::int32_t top_k;
  std::uint64_t seed, output_position;
  std::uint32_t choice;
  std::int32_t logprobs;
  TokenId given;
  std::int32_t edit_count;
  const std::uint32_t* allowed;  // null: all are
  const LogitEdit* edits;
  float repetition_penalty, presence_penalty, frequency_penalty;
};

// What the host makes a SampledToken of.
struct Sampled {
  TokenId token;      // no_token: nothing else holds
  std::int32_t rank;  // of a given token
  // Of raw logits, where log-probabilities are wanted.
  float highest, logit;
  double sum;  // of exp(x - highest)
  std::int32_t top_count;
  TokenId top[max_logprobs];
  float top_logits[max_logprobs];
};

// A block is a row.
struct Sample {
  static constexpr int threads = 512;
  constexpr const char* kernel() const { return "sample"; }

  const float* logits;  // [rows, vocabulary]
  std::int64_t vocabulary;
  const HowToSample* how;  // [rows]
  Sampled* out;            // [rows]
  // Workspaces of each row.
  float *changed, *probabilities;  // [rows, vocabulary]
  std::uint64_t* ranking;          // [rows, ranked], a power of two that is no less than vocabulary
  std::int64_t ranked;
};

}  // namespace troupe::kernels::cuda
