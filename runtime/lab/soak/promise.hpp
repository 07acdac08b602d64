// What must hold whatever happens.
#pragma once

#include <string_view>

#include "runtime/base/error.hpp"

namespace troupe::runtime::lab {

// A promise of the scheduler that was not kept, and how.
class BrokenPromise : public Error {
 public:
  explicit BrokenPromise(std::string_view what) : Error(what, "a promise is broken") {}
};

inline void hold(bool holds, std::string_view what) {
  if (!holds) throw BrokenPromise(what);
}

}  // namespace troupe::runtime::lab
