// Bounds of the grammar engine's work: a time for a compile, which one process alone decides upon, and a count for what all
// ranks must come to the same end of. Of one thread.
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

class WorkSpent : public std::exception {
 public:
  const char* what() const noexcept override { return "the grammar engine has too much to do"; }
};

// While it lives, the engine's work on this thread throws WorkSpent at the check of itself behind so many: the same one
// wherever the same work is done. What is left of them it leaves behind. A deadline around it waits. They do not nest.
class WorkBudget {
 public:
  explicit WorkBudget(int& checks);
  ~WorkBudget();
  WorkBudget(const WorkBudget&) = delete;
  WorkBudget& operator=(const WorkBudget&) = delete;

 private:
  int& checks_;
  const int checks_of_deadline_;
};

}  // namespace troupe::model
