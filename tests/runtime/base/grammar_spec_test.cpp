#include "runtime/base/grammar_spec.hpp"

#include <gtest/gtest.h>

#include <set>

namespace troupe {
namespace {

TEST(GrammarId, TellsSpecsApart) {
  const GrammarSpec spec{.kind = GrammarSpec::Kind::json_schema, .text = "ab", .after = "c"};
  std::set<GrammarId> ids{grammar_id(spec)};
  GrammarSpec other = spec;
  other.kind = GrammarSpec::Kind::regex;
  ids.insert(grammar_id(other));
  other = spec, other.text = "b", other.after = "ca";
  ids.insert(grammar_id(other));
  other = spec, other.any_whitespace = false;
  ids.insert(grammar_id(other));
  other = spec, other.strict = false;
  ids.insert(grammar_id(other));
  EXPECT_EQ(ids.size(), 5u);
  EXPECT_EQ(grammar_id(spec), grammar_id(GrammarSpec(spec)));
  EXPECT_TRUE(grammar_id(spec));
  EXPECT_FALSE(GrammarId());
}

// Ranks of other builds read these, too.
TEST(GrammarId, IsTheSameInEveryRun) {
  const GrammarId id = grammar_id({.kind = GrammarSpec::Kind::regex, .text = "[a-z]+"});
  EXPECT_EQ(id.high, 0u);
  EXPECT_EQ(id.low, 0u);
}

}  // namespace
}  // namespace troupe
