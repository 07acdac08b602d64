// What the kernels of route.cu are given: see kernel.hpp. Plain data, with pointers to the device's memory.
#pragma once

#include <cstdint>

#include "kernels/ops.hpp"

namespace troupe::kernels::cuda {

// A block is a token.
struct Route {
  static constexpr int threads = 256;
  static constexpr int most_experts = 1024;
  constexpr const char* kernel() const { return "route"; }

  const float* logits;    // [tokens, rule.experts]
  RoutingRule rule;       // its bias is the device's
  std::int32_t* experts;  // [tokens, rule.per_token]
  float* weights;         // likewise
};

// A thread is a slot.
struct CountExperts {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "count_experts"; }

  const std::int32_t* experts;  // [slots]
  std::int64_t slots;
  unsigned long long* load;  // [load_experts]
  std::int64_t load_experts;
};

}  // namespace troupe::kernels::cuda
