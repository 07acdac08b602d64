// What a refused client is told to wait. Any thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/base/clock.hpp"

namespace troupe {

// Whole seconds, at least 1.
constexpr std::int32_t retry_after(Duration wait) {
  return std::max(1, std::int32_t(std::chrono::ceil<std::chrono::seconds>(wait).count()));
}

}  // namespace troupe
