#include "runtime/generation/filter_pattern.hpp"

#include <gmock/gmock.h>

#include <stdexcept>
#include <string>

namespace troupe::runtime {
namespace {

using ::testing::HasSubstr;
using Sought = FilterPattern::Outcome;

// Empty: it is a pattern.
std::string failure(const std::string& pattern) try {
  const FilterPattern made(pattern);
  return "";
} catch (const std::invalid_argument& why) {
  return why.what();
}

TEST(FilterPattern, MistakesAreNamedWithTheirPlace) {
  EXPECT_THAT(failure("a(b"), HasSubstr("at byte 3: missing closing parenthesis"));
  EXPECT_THAT(failure("a\\"), HasSubstr("at byte 2"));
  EXPECT_THAT(failure("\xff"), HasSubstr("UTF-8"));
  EXPECT_THAT(failure("\\C"), HasSubstr("\\C"));
  EXPECT_THAT(failure(std::string(FilterPattern::max_bytes + 1, 'a')), HasSubstr("has more than 4096 bytes"));
  EXPECT_EQ(failure(std::string(FilterPattern::max_bytes, 'a')), "");
  EXPECT_NE(failure(std::string(65, '(') + "a" + std::string(65, ')')), "");
  EXPECT_EQ(failure(std::string(64, '(') + "a" + std::string(64, ')')), "");
}

TEST(FilterPattern, WhatDoesNotDependOnTheTextAloneIsRefused) {
  EXPECT_THAT(failure("a\\Gb"), HasSubstr("at byte 1: \\G"));
  EXPECT_THAT(failure("a\\Kb"), HasSubstr("at byte 1: \\K"));
  EXPECT_THAT(failure("(*UCP)a"), HasSubstr("at byte 0: (*"));
  EXPECT_THAT(failure("a(*SKIP)b"), HasSubstr("at byte 1: (*"));
  EXPECT_THAT(failure("a\\c\\\\Kb"), HasSubstr("at byte 4: \\K")) << "behind a control character";
  EXPECT_EQ(failure("a\\\\Gb"), "") << "a backslash, and a letter";
  EXPECT_EQ(failure("a\\(*b"), "") << "parentheses";
}

TEST(FilterPattern, ThereIsSomethingInEachMatch) {
  for (const char* pattern : {"", "a*", "a?|b", "(?=a)", "\\b"})
    EXPECT_THAT(failure(pattern), HasSubstr("matches where there is nothing")) << pattern;
}

TEST(FilterPattern, LooksBackNotTooFar) {
  EXPECT_EQ(failure("(?<=a{64})b"), "");
  EXPECT_THAT(failure("(?<=a{65})b"), HasSubstr("looks back by 65 characters, and may by 64"));
}

TEST(FilterPattern, SaysWhetherMoreTextMayChangeIt) {
  const FilterPattern digits("\\d{3,5}");
  EXPECT_EQ(digits.search("a 12", 0, true).outcome, Sought::open);
  EXPECT_EQ(digits.search("a 12", 0, true).begin, 2u);
  EXPECT_EQ(digits.search("a 123", 0, true).outcome, Sought::open);
  EXPECT_EQ(digits.search("a 123 ", 0, true).end, 5u);
  EXPECT_EQ(digits.search("a 12345", 0, true).outcome, Sought::match);
  EXPECT_EQ(digits.search("a b", 0, true).outcome, Sought::nothing);
  EXPECT_EQ(digits.match_at("a 123", 2, true).outcome, Sought::match);
  EXPECT_EQ(digits.match_at("a 123", 1, true).outcome, Sought::nothing);
  EXPECT_EQ(FilterPattern("foo\\b").search("foo", 0, true).outcome, Sought::open);
  EXPECT_EQ(FilterPattern("foo(?!d)").search("foo", 0, true).outcome, Sought::open);
  EXPECT_EQ(FilterPattern("foo$").search("foo", 0, true).outcome, Sought::open);
}

TEST(FilterPattern, LettersAndCasesAreThoseOfUnicode) {
  EXPECT_EQ(FilterPattern("(?i)straße").search("die STRAßE", 0, true).outcome, Sought::match);
  EXPECT_EQ(FilterPattern("\\bÜ\\w+ ").search("x Übung ", 0, true).begin, 2u);
}

TEST(FilterPattern, ABeginningIsOnlyThatOfTheText) {
  const FilterPattern first("^a");
  EXPECT_EQ(first.search("ab", 0, true).outcome, Sought::match);
  EXPECT_EQ(first.search("ab", 0, false).outcome, Sought::nothing);
}

TEST(FilterPattern, APatternThatTakesTooLongIsGivenUp) {
  const std::string text = std::string(60, 'a') + "d";
  EXPECT_EQ(FilterPattern("(?:a+)+[bc]").search(text, 0, true).outcome, Sought::too_hard);
  EXPECT_EQ(FilterPattern("(?:a+)+[bc]").match_at(text, 0, true).outcome, Sought::too_hard);
}

}  // namespace
}  // namespace troupe::runtime
