#include "model/tokenizer/normalizer.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace troupe::model {
namespace {

using Ranges = std::vector<ByteRange>;

Normalizer replacing(std::string pattern, std::string content) {
  Normalizer normalizer;
  normalizer.add_replace(std::move(pattern), std::move(content));
  return normalizer;
}

TEST(Normalizer, PrependsToWhatIsText) {
  Normalizer normalizer;
  normalizer.add_prepend("▁");
  const auto some = normalizer.apply("ab", Ranges{{1, 2}});
  EXPECT_EQ(some->text, "▁ab");
  EXPECT_EQ(some->plain, (Ranges{{4, 5}}));
  EXPECT_EQ(normalizer.apply("", {})->text, "");
}

TEST(Normalizer, ReplacesAllAndKeepsWhatIsPlain) {
  const auto longer = replacing(" ", "▁").apply("a b  c", Ranges{{0, 1}, {2, 4}, {5, 6}});
  EXPECT_EQ(longer->text, "a▁b▁▁c");
  EXPECT_EQ(longer->plain, (Ranges{{0, 1}, {4, 8}, {11, 12}}));
  const auto shorter = replacing("abc", "x").apply("1abc2", Ranges{{0, 2}, {3, 5}});
  EXPECT_EQ(shorter->text, "1x2");
  EXPECT_EQ(shorter->plain, (Ranges{{0, 3}}));  // both had a part of it
  EXPECT_EQ(replacing("aa", "").apply("aaab", {})->text, "ab");
}

TEST(Normalizer, StepsFollowEachOther) {
  Normalizer normalizer;
  EXPECT_TRUE(normalizer.empty());
  normalizer.add_nfc();
  normalizer.add_prepend(" ");
  normalizer.add_replace(" ", "▁");
  EXPECT_FALSE(normalizer.empty());
  EXPECT_EQ(normalizer.apply("e\u0301 f", {})->text, "▁\u00e9▁f");
}

// Each byte that a step left alone is plain if it was.
RC_GTEST_PROP(Normalizer, WhatIsLeftAloneStaysPlain, ()) {
  const auto text = *rc::gen::container<std::string>(rc::gen::element('a', 'b', ' ', 'x'));
  Ranges plain;
  std::size_t at = 0;
  while (true) {
    const auto begin = at + *rc::gen::inRange<std::size_t>(0, 4),
               end = begin + *rc::gen::inRange<std::size_t>(1, 4);
    if (end > text.size()) break;
    plain.push_back({begin, end});
    at = end;
  }
  const auto inside = [](const Ranges& ranges, std::size_t i) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](const ByteRange& r) { return r.begin <= i && i < r.end; });
  };
  const auto result = replacing(" ", "▁").apply(text, plain);
  std::size_t moved = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t size = text[i] == ' ' ? 3 : 1;
    for (std::size_t k = 0; k < size; ++k) RC_ASSERT(inside(result->plain, moved + k) == inside(plain, i));
    moved += size;
  }
  RC_ASSERT(moved == result->text.size());
}

}  // namespace
}  // namespace troupe::model
