// Kernels that keep the rules of shared memory, barriers and memory, and mutants of them that break one each: what
// the emulated GPU must tell apart.
#pragma once

#include <cstdint>

namespace troupe::kernels::cuda {

enum class Broken : std::uint8_t {
  nothing,
  first_barrier,   // before what others wrote is read
  second_barrier,  // before what others read is written again
  some_arrive,     // a barrier that half of the threads reach
  lost_lane,       // an exchange that one lane of a warp does not take part in
  shared_bounds,
  memory_bounds,  // a page behind
  padding,        // an element behind
};

// out[i] = the sum over all x of the block, by turns through one array. One block.
struct SumOfAll {
  static constexpr int threads = 64;
  constexpr const char* kernel() const { return "sum_of_all"; }

  const float* x;  // [rounds, threads]
  std::int64_t rounds;
  float* out;  // [threads]
  Broken broken;
};

// out[i] = the sum of x over the warp that i belongs to. One block.
struct SumOfWarp {
  static constexpr int threads = 64;
  constexpr const char* kernel() const { return "sum_of_warp"; }

  const float* x;
  float* out;
  Broken broken;
};

// x[i] = 2 * x[i] + 1.
struct Advance {
  static constexpr int threads = 32;
  constexpr const char* kernel() const { return "advance"; }

  float* x;
  std::int64_t n;
  Broken broken;
};

}  // namespace troupe::kernels::cuda
