#include "launch/smoke/content.hpp"

#include <gmock/gmock.h>

namespace troupe::launch::smoke {
namespace {

using testing::AllOf;
using testing::Field;
using testing::HasSubstr;

auto is(Verdict verdict, const std::string& detail) {
  return AllOf(Field(&Outcome::verdict, verdict), Field(&Outcome::detail, HasSubstr(detail)));
}

TEST(Content, TheProductIsThereAsANumber) {
  EXPECT_THAT(judge_arithmetic({.content = "17 * 23 = 391", .finish_reason = "stop"}),
              is(Verdict::passed, "391"));
  EXPECT_THAT(judge_arithmetic({.content = "It is **391**.", .finish_reason = "stop"}),
              is(Verdict::passed, "391"));
  for (const char* wrong : {"", "392", "1391", "3910", "3,91"})
    EXPECT_THAT(judge_arithmetic({.content = wrong, .reasoning = "391", .finish_reason = "stop"}),
                is(Verdict::poor, "no 391 in"))
        << wrong;
}

TEST(Content, OfWhatWasCutOffTheThoughtsCount) {
  EXPECT_THAT(judge_arithmetic({.content = "", .reasoning = "So 391, but wait", .finish_reason = "length"}),
              is(Verdict::passed, "cut off"));
  EXPECT_THAT(judge_arithmetic({.content = "", .reasoning = "17 times 20 is 340", .finish_reason = "length"}),
              is(Verdict::poor, "cut off, without 391, at \"17 times 20 is 340\""));
}

TEST(Content, LoopsAreFoundInAnswersAndThoughts) {
  std::string loop;
  for (int i = 0; i < 9; ++i) loop += "and so on ";
  loop += "and so";  // where it was cut off
  EXPECT_THAT(judge_repetition({.content = "391", .reasoning = "Fine."}), is(Verdict::passed, ""));
  EXPECT_THAT(judge_repetition({.content = loop}),
              is(Verdict::poor, "the answer ends with the same 10 bytes 9 times"));
  EXPECT_THAT(judge_repetition({.content = "391", .reasoning = loop}),
              is(Verdict::poor, "the reasoning ends"));
}

TEST(Content, WhoThinksHasThoughts) {
  EXPECT_THAT(judge_reasoning({.reasoning = "Hm.", .has_reasoning = true}, true),
              is(Verdict::passed, "3 bytes"));
  EXPECT_THAT(judge_reasoning({.reasoning = "\n\n", .has_reasoning = true}, true),
              is(Verdict::poor, "empty"));
  EXPECT_THAT(judge_reasoning({.reasoning = "", .has_reasoning = false}, true), is(Verdict::poor, "empty"));
  EXPECT_THAT(judge_reasoning({.reasoning = "", .has_reasoning = true}, std::nullopt),
              is(Verdict::poor, "empty"));
  EXPECT_THAT(judge_reasoning({}, std::nullopt), is(Verdict::left_out, "does not think"));
}

TEST(Content, ACallIsForWhatWasAsked) {
  EXPECT_THAT(judge_arguments({.calls = {{"get_weather", R"({"city": "Paris"})"}}}),
              is(Verdict::passed, "Paris"));
  EXPECT_THAT(judge_arguments({.calls = {{"get_weather", R"({"city": "x"})"}}}),
              is(Verdict::poor, "no Paris"));
  EXPECT_THROW(judge_arguments({}), NothingToCheck);
}

// Whatever it is, it is shown on one line, and steers no terminal.
TEST(Content, WhatIsShownIsHarmless) {
  const Outcome outcome =
      judge_arithmetic({.content = std::string(200, 'x') + "é\x1b[2J\nend", .finish_reason = "stop"});
  EXPECT_EQ(outcome.detail.find('\x1b'), std::string::npos);
  EXPECT_EQ(outcome.detail.find('\n'), std::string::npos);
  EXPECT_THAT(outcome.detail, HasSubstr("end\""));
  EXPECT_LT(outcome.detail.size(), 120u);
}

}  // namespace
}  // namespace troupe::launch::smoke
