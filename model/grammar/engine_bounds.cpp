#include "model/grammar/engine_bounds.hpp"

#include <algorithm>

#include "model/grammar/engine_hook.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {
namespace {

constexpr int checks_between = 4096;  // looks at the clock: 20 to 100 us of the engine's work

thread_local TimePoint deadline;
thread_local bool counted = false;  // the bound is a budget

}  // namespace

thread_local int checks_left = -1;

void look_at_bound() {
  if (counted) throw WorkSpent();
  checks_left = checks_between;
  if (now() > deadline) throw EngineTimeout();
}

CompileDeadline::CompileDeadline(TimePoint at) {
  CHECK(checks_left < 0, "a compile within a compile");
  deadline = at;
  checks_left = 0;
}

CompileDeadline::~CompileDeadline() {
  checks_left = -1;
}

WorkBudget::WorkBudget(int& checks) : checks_(checks), checks_of_deadline_(checks_left) {
  CHECK(!counted, "a budget within a budget");
  counted = true;
  checks_left = checks;
}

WorkBudget::~WorkBudget() {
  counted = false;
  checks_ = std::max(checks_left, 0);
  checks_left = checks_of_deadline_;
}

}  // namespace troupe::model
