#include "model/grammar/engine_bounds.hpp"

#include <gtest/gtest.h>
#include <xgrammar/xgrammar.h>

namespace troupe::model {
namespace {

// Wherever the engine is: also where it is about to leave a scope.
TEST(EngineBounds, MayBeReachedAtAnyCheck) {
  const std::string schema =
      R"({"type": "object", "properties": {"a": {"type": "array", "items": {"anyOf": [{"const": [1, {}]}, {"type": "string"}]}}}})";
  constexpr int far_more = 100'000;
  int checks = 0;
  for (bool whole = false; !whole && checks < far_more; ++checks) {
    int left = checks;
    try {
      const WorkBudget budget(left);
      xgrammar::Grammar::FromJSONSchema(schema);
      whole = true;
    } catch (const WorkSpent&) {
    }
  }
  EXPECT_GT(checks, 100);
  EXPECT_LT(checks, far_more);
}

}  // namespace
}  // namespace troupe::model
