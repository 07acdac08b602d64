// What mutate.py writes into kernels. Included before everything else, after kernel_words.hpp.
#pragma once

#include <cmath>

namespace troupe::kernels::cuda::emulated {

inline int mutant_alive = 0;  // its number; 0: none, and the kernels are as they were written

#define MUTANT(number) (::troupe::kernels::cuda::emulated::mutant_alive == (number))

inline float fused_unless(bool mutant, float a, float b, float c) {
  return mutant ? a * b + c : std::fma(a, b, c);
}

}  // namespace troupe::kernels::cuda::emulated
