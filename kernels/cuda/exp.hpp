// exp and what is made of it by one thread: the CPU's bytes.
#pragma once

#include "kernels/cuda/kernel.hpp"
#include "kernels/exponential.hpp"

namespace troupe::kernels::cuda {

DEVICE float power_of_two(int n) {
  float result;
  const std::uint32_t bits = std::uint32_t(n + 127) << 23;
  memcpy(&result, &bits, sizeof result);
  return result;
}

DEVICE float exp(float x) {
  if (x < exponential::lowest) return 0;
  if (x > exponential::highest) return INFINITY;
  if (x != x) return x;
  const float n = rintf(x * exponential::log2_of_e);
  const float r = fmaf(-n, exponential::ln2_low, fmaf(-n, exponential::ln2_high, x));
  float p = fmaf(exponential::p0, r, exponential::p1);
  p = fmaf(p, r, exponential::p2);
  p = fmaf(p, r, exponential::p3);
  p = fmaf(p, r, exponential::p4);
  p = fmaf(p, r, exponential::p5);
  p = fmaf(p, r * r, r) + 1.0f;
  // In two steps, since 2^128 is no number.
  const int exponent = int(n), half = exponent >> 1;
  return p * power_of_two(half) * power_of_two(exponent - half);
}

DEVICE float sigmoid(float x) {
  return 1.0f / (1.0f + exp(-x));
}
DEVICE float silu(float x) {
  return x / (1.0f + exp(-x));
}

}  // namespace troupe::kernels::cuda
