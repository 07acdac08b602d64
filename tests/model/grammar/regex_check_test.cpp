#include "model/grammar/regex_check.hpp"

#include <gtest/gtest.h>

#include "runtime/base/clock.hpp"

namespace troupe::model {
namespace {

TEST(RegexCheck, AnchorsStandWhereAnAnswerBeginsOrEnds) {
  for (const char* regex :
       {"^a$", "a", "^a$|^b$", "^(a|b)$", "(^a)b", "(^a|^b)c", "a(b$)", "a(b|c$)", "(?:^a)$", "((^a$)|b$)",
        "^^a", "a$?", "[^a$]b", R"(\^a\$b)", "^$", "", "(a|(?:b|^c))d", "a$|b"})
    EXPECT_TRUE(check_regex(regex)) << regex;
  for (const char* regex :
       {"a^b", "a(^b)", "(a$)b", R"(\(^a)", "x:^y", "a|b^c", "a(b|^c)", "a((b|(^c)))", "(a|b$)c", "(a$|b)c",
        "a$b", "(a$)*", "(a$){2}", "a$+", "[ab]^c", "((a$))b", "a$(b)", "(?:a$)b", "a?^b"})
    EXPECT_FALSE(check_regex(regex)) << regex;
}

TEST(RegexCheck, ACodePointIsNoRepetition) {
  for (const char* regex : {R"(a\u{2014}b)", R"(\u{2014}{3})", R"(\u{2014}{128})", R"([\u{80}-\u{7ff}]{2})"})
    EXPECT_TRUE(check_regex(regex)) << regex;
  for (const char* regex : {R"(\u{2014}{129})", R"((\u{2014}{100}){21})", R"(a\u{2014}^)"})
    EXPECT_FALSE(check_regex(regex)) << regex;
}

TEST(RegexCheck, LongRowsTakeNoTime) {
  const TimePoint begin = now();
  std::string ends, begins;
  for (int i = 0; i < 400'000; ++i) ends += "$|", begins += "(^";
  for (const char* open : {"{", "\\u{", "\\{{"}) {
    std::string braces;
    for (int i = 0; i < 1 << 18; ++i) braces += open;
    EXPECT_TRUE(check_regex(braces)) << "the engine names it";
  }
  EXPECT_TRUE(check_regex(ends));
  EXPECT_FALSE(check_regex(begins));
  EXPECT_LT(now() - begin, std::chrono::seconds(10));
}

TEST(RegexCheck, ADotIsWhatStandsInALine) {
  const std::string any = R"([^\n\r\u2028\u2029])";
  EXPECT_EQ(with_dots_within_lines("a.b."), "a" + any + "b" + any);
  for (const char* regex : {R"(a\.b)", "[.]", R"([\].])", "ab", R"(a\\)", "", "[.", "a\\"})
    EXPECT_EQ(with_dots_within_lines(regex), regex);
  EXPECT_EQ(with_dots_within_lines(R"(\\.[.]*)"), R"(\\)" + any + "[.]*");
}

}  // namespace
}  // namespace troupe::model
