// Moments and spans of the steady clock. Any thread.
#pragma once

#include <chrono>

namespace troupe {

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

constexpr double milliseconds(Duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

// What decides is given the time as an argument, so that tests and the simulator can drive it.
inline TimePoint now() {
  return std::chrono::steady_clock::now();
}

// The same, for code that has yet to call now().
struct SteadyClock {
  TimePoint now() const { return troupe::now(); }
};

}  // namespace troupe
