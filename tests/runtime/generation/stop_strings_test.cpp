#include "runtime/generation/stop_strings.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <optional>

namespace troupe::runtime {
namespace {

TEST(StopStrings, HoldsBackWhatMayBeginAStopString) {
  StopStrings stops({"END", "\n\n"});
  EXPECT_EQ(stops.push("to the E"), "to the ");
  EXPECT_EQ(stops.push("N"), "");
  EXPECT_EQ(stops.push("vy\n"), "ENvy");
  EXPECT_EQ(stops.push("EN"), "\n");
  EXPECT_FALSE(stops.matched());
  EXPECT_EQ(stops.push("D and more"), "");
  EXPECT_TRUE(stops.matched());
  EXPECT_EQ(stops.push("END"), "");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, GivesBackWhatWasHeldAtTheEnd) {
  StopStrings stops({"abcd"});
  EXPECT_EQ(stops.push("xabc"), "x");
  EXPECT_EQ(stops.finish(), "abc");
  EXPECT_FALSE(stops.matched());
}

TEST(StopStrings, IncludesTheStopStringWhenAskedTo) {
  StopStrings stops({"stop"}, true);
  EXPECT_EQ(stops.push("do st"), "do ");
  EXPECT_EQ(stops.push("op it"), "stop");
}

TEST(StopStrings, TakesTheFirstEndAndThenTheLongest) {
  EXPECT_EQ(StopStrings({"abcde", "cd"}).push("xabcdef"), "xab");
  EXPECT_EQ(StopStrings({"cd", "bcd"}).push("xabcdef"), "xa");
}

TEST(StopStrings, FindsAStopStringThatOverlapsItself) {
  EXPECT_EQ(StopStrings({"aab"}).push("aaaab-"), "aa");
  EXPECT_EQ(StopStrings({"ababc"}).push("abababc"), "ab");
}

TEST(StopStrings, WithoutStopStringsEverythingIsCertain) {
  StopStrings stops({""});
  EXPECT_EQ(stops.push("all of it"), "all of it");
  EXPECT_FALSE(stops.matched());
}

TEST(StopStrings, OneThatEndsWhereNoneCountsIsText) {
  StopStrings stops({"aba"});
  EXPECT_EQ(stops.push("xaba", false), "xab");  // whose end may begin another
  EXPECT_EQ(stops.push("ba-"), "");
  EXPECT_TRUE(stops.matched());
  StopStrings others({"END"});
  EXPECT_EQ(others.push("the END of ", false), "the END of ");
  EXPECT_EQ(others.push("the EN", false), "the ");
  EXPECT_EQ(others.push("D"), "");
  EXPECT_TRUE(others.matched());
}

// What comes out in all, found by looking at the whole text: the first end of any stop string behind the part where none
// counts, cut before the longest that ends there.
std::string expected(const std::string& text, const std::vector<std::string>& stops, bool include_stop,
                     std::size_t counts_from) {
  for (std::size_t end = counts_from + 1; end <= text.size(); ++end) {
    std::size_t longest = 0;
    for (const std::string& stop : stops)
      if (std::string_view(text).substr(0, end).ends_with(stop)) longest = std::max(longest, stop.size());
    if (longest > 0) return text.substr(0, include_stop ? end : end - longest);
  }
  return text;
}

RC_GTEST_PROP(StopStringsProperty, GivesTheSameHoweverTheTextIsSplit, ()) {
  const auto letters = rc::gen::container<std::string>(rc::gen::element('a', 'b'));
  const std::string text = *letters;
  const auto stops = *rc::gen::resize(4, rc::gen::container<std::vector<std::string>>(letters));
  const bool include_stop = *rc::gen::arbitrary<bool>();
  const auto counts_from = *rc::gen::inRange<std::size_t>(0, text.size() + 1);
  StopStrings pieces(stops, include_stop);
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const bool counts = at >= counts_from;
    const std::size_t end = counts ? text.size() : counts_from;
    const std::size_t size = *rc::gen::inRange<std::size_t>(1, end - at + 1);
    out += pieces.push(std::string_view(text).substr(at, size), counts);
    at += size;
  }
  out += pieces.finish();
  RC_ASSERT(out == expected(text, stops, include_stop, counts_from));
}

}  // namespace
}  // namespace troupe::runtime
