#include "model/grammar/compile_deadline.hpp"

#include "model/grammar/engine_deadline.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {
namespace {

constexpr int checks_between = 4096;  // some 20 us of the engine's work

thread_local TimePoint deadline;

}  // namespace

thread_local int checks_left = -1;

void read_clock() {
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

}  // namespace troupe::model
