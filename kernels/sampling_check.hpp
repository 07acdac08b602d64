// What every device asks of a row before it samples. Any thread.
#pragma once

#include "kernels/ops.hpp"
#include "runtime/base/error.hpp"

namespace troupe::kernels {

// CHECKs; vocabulary: logits of the row.
inline void check_sampling(const SamplingRow& how, std::int64_t vocabulary) {
  const auto& [row, position, changes, given] = how;
  CHECK(given < vocabulary, "a given token is one of the vocabulary");
  CHECK(changes.allowed.empty() || std::ssize(changes.allowed) * 32 >= vocabulary, "a bit for each token");
  CHECK(changes.repetition_penalty > 0, "repetition_penalty out of range");
  CHECK(row.temperature >= 0 && row.top_p > 0 && row.top_p <= 1, "temperature or top_p out of range");
  CHECK(row.min_p >= 0 && row.min_p <= 1 && row.top_k >= 0, "min_p or top_k out of range");
  CHECK(row.logprobs >= -1 && row.logprobs <= max_logprobs, "logprobs out of range");
}

}  // namespace troupe::kernels
