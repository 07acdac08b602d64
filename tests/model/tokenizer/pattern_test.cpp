#include "model/tokenizer/pattern.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace troupe::model {
namespace {

std::vector<ByteRange> matches_of(const Pattern& pattern, std::string_view text) {
  std::vector<ByteRange> matches;
  EXPECT_TRUE(pattern.find_all(text, matches));
  return matches;
}
using Ranges = std::vector<ByteRange>;

TEST(Pattern, FindsAllMatches) {
  EXPECT_EQ(matches_of(Pattern::regex("a+"), "baac a"), (Ranges{{1, 3}, {5, 6}}));
  EXPECT_EQ(matches_of(Pattern::regex("a+"), ""), Ranges{});
  EXPECT_EQ(matches_of(Pattern::literal("a+"), "aa+a+"), (Ranges{{1, 3}, {3, 5}}));
}

TEST(Pattern, FindsEmptyMatchesButNotRightAfterAMatch) {
  EXPECT_EQ(matches_of(Pattern::regex("a*"), "aéa"), (Ranges{{0, 1}, {3, 4}}));
  EXPECT_EQ(matches_of(Pattern::regex("b*"), "aé"), (Ranges{{0, 0}, {1, 1}, {3, 3}}));
}

TEST(Pattern, SpaceIsUnicodeWhiteSpace) {
  EXPECT_EQ(matches_of(Pattern::regex(R"(\s)"), "\u0085 \u3000").size(), 3u);
  EXPECT_EQ(matches_of(Pattern::regex(R"(\s)"), "\u180e\u200b").size(), 0u);
}

TEST(Pattern, RefusesAtItsMatchLimitAndServesTheNextText) {
  const Pattern pattern = Pattern::regex("(a|aa)+c");
  std::vector<ByteRange> matches;
  EXPECT_FALSE(pattern.find_all(std::string(64, 'a').append("bc"), matches));
  EXPECT_EQ(matches_of(pattern, "aac"), (Ranges{{0, 3}}));
}

TEST(Pattern, RefusesAtItsStackLimit) {
  const Pattern pattern = Pattern::regex("(?:(a)|(b))+c");  // remembers each turn, so as to go back
  const std::string text(Pattern::jit_stack_limit, 'a');
  std::vector<ByteRange> matches;
  EXPECT_FALSE(pattern.find_all(text + "c", matches));
  EXPECT_EQ(matches_of(pattern, text.substr(0, 100) + "c"), (Ranges{{0, 101}}));
}

TEST(Pattern, ThrowsOnWhatPcre2DoesNotCompile) {
  for (const std::string_view bad : {"(a", "a)", "*", R"(\p{Nobody})", "[z-a]", "(?<=a+)b"}) {
    EXPECT_THROW(Pattern::regex(bad), std::invalid_argument) << bad;
  }
}

}  // namespace
}  // namespace troupe::model
