#include "model/tokenizer/token_trie.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace troupe::model {
namespace {

std::string shown(const TokenTrie& trie, std::string_view text, std::vector<ByteRange> plain = {}) {
  std::string shown;
  for (const auto& [range, token] : trie.split(text, plain)) {
    shown += token ? "[" + std::to_string(*token) + "]"
                   : std::string(text.substr(range.begin, range.end - range.begin));
    shown += ".";
  }
  return shown;
}

TokenTrie some_tokens() {
  TokenTrie trie;
  trie.add("ab", 1);
  trie.add("abcd", 2);
  trie.add("bc", 3);
  return trie;
}

TEST(TokenTrie, LeftmostThenLongest) {
  EXPECT_EQ(shown(some_tokens(), "xabcy"), "x.[1].cy.");
  EXPECT_EQ(shown(some_tokens(), "abcdab"), "[2].[1].");
  EXPECT_EQ(shown(some_tokens(), ""), "");
  EXPECT_EQ(shown(TokenTrie(), "abc"), "abc.");
}

TEST(TokenTrie, KeepsOffPlainText) {
  EXPECT_EQ(shown(some_tokens(), "abcdbc", {{2, 3}}), "[1].cd.[3].");
  EXPECT_EQ(shown(some_tokens(), "abab", {{0, 1}, {3, 9}}), "abab.");
  EXPECT_EQ(shown(some_tokens(), "ab", {{1, 1}}), "ab.");
}

RC_GTEST_PROP(TokenTrieProperty, StretchesMakeTheTextAndTokensAreNotPlain, ()) {
  const auto text = *rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c', 'd'));
  const auto size = text.size();
  const auto begin = *rc::gen::inRange<std::size_t>(0, size + 1);
  const ByteRange plain{begin, *rc::gen::inRange<std::size_t>(begin, size + 1)};
  std::size_t end = 0;
  for (const auto& [range, token] : some_tokens().split(text, std::vector{plain})) {
    RC_ASSERT(range.begin == end);
    RC_ASSERT(range.begin < range.end);
    end = range.end;
    if (token) RC_ASSERT(range.end <= plain.begin || plain.end <= range.begin);
  }
  RC_ASSERT(end == size);
}

TEST(RangesWithin, CutsAndShifts) {
  const std::vector<ByteRange> ranges{{0, 2}, {4, 6}, {8, 12}};
  EXPECT_EQ(ranges_within(ranges, {5, 10}), (std::vector<ByteRange>{{0, 1}, {3, 5}}));
  EXPECT_EQ(ranges_within(ranges, {2, 4}), std::vector<ByteRange>{});
}

}  // namespace
}  // namespace troupe::model
