// Ends a compile of the grammar engine that takes too long. Of one thread.
#pragma once

#include <exception>

#include "runtime/base/clock.hpp"

namespace troupe::model {

class EngineTimeout : public std::exception {
 public:
  const char* what() const noexcept override { return "the grammar engine takes too long"; }
};

// While it lives, the engine's work on this thread throws EngineTimeout soon after `at`. They do not nest.
class CompileDeadline {
 public:
  explicit CompileDeadline(TimePoint at);
  ~CompileDeadline();
  CompileDeadline(const CompileDeadline&) = delete;
  CompileDeadline& operator=(const CompileDeadline&) = delete;
};

}  // namespace troupe::model
