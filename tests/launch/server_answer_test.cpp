#include "launch/server_answer.hpp"

#include <gtest/gtest.h>

namespace troupe::launch {
namespace {

TEST(ServerAnswer, NothingInItSteersATerminal) {
  EXPECT_EQ(harmless("a\x1b]0;x\x07"
                     "b\r\n\tc\x7f\x01"),
            "a]0;xb\n\tc");
  EXPECT_EQ(harmless("\xC2\x9B"
                     "31m \xC2\xA0\xC3\x9F€"),
            "31m \xC2\xA0\xC3\x9F€");
}

TEST(ServerAnswer, OneLineOfItSteersNoTerminal) {
  EXPECT_EQ(one_line("a\nb\tc\r\x1b[31m\x7f"), "a b c[31m");
  EXPECT_EQ(one_line("\xC2\x9B"
                     "31m \xC2\xA0€"),
            "31m \xC2\xA0€");
}

TEST(ServerAnswer, OneLineOfItIsCutBetweenCharacters) {
  EXPECT_EQ(one_line(std::string(300, 'a')), std::string(300, 'a'));
  EXPECT_EQ(one_line(std::string(301, 'a')), std::string(300, 'a') + "...");
  EXPECT_EQ(one_line(std::string(299, 'a') + "€"), std::string(299, 'a') + "...");
}

TEST(ServerAnswer, AnErrorSaysWhy) {
  using nlohmann::ordered_json;
  EXPECT_EQ(reason_of(ordered_json::parse(R"({"error": {"message": "no"}})")), ": no");
  for (const char* none : {"[]", "{}", R"({"error": "no"})", R"({"error": {"message": 1}})"})
    EXPECT_EQ(reason_of(ordered_json::parse(none)), "") << none;
  EXPECT_TRUE(has_error(ordered_json::parse(R"({"error": "no"})")));
  EXPECT_FALSE(has_error(ordered_json::parse(R"({"error": null})")));
  EXPECT_FALSE(has_error(ordered_json::parse("{}")));
}

}  // namespace
}  // namespace troupe::launch
