// What the kernel of spin.cu is given: see kernel.hpp. Plain data, with pointers to the device's memory.
#pragma once

#include <cstdint>

namespace troupe::kernels::cuda {

// A drill: runs until somebody writes there, so for ever.
struct Spin {
  static constexpr int threads = 1;
  constexpr const char* kernel() const { return "spin"; }

  const volatile std::int32_t* end;  // zero
};

}  // namespace troupe::kernels::cuda
