#include "launch/chat/answer_stream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/error_of.hpp"

namespace troupe::launch::chat {
namespace {

using ::testing::HasSubstr;

// What was told of bytes that came in pieces of this size.
struct Told {
  std::string reasoning, content, error;
};
Told read(const std::string& bytes, std::size_t size) {
  Told told;
  AnswerStream stream([&](const Piece& piece) {
    told.reasoning += piece.reasoning;
    told.content += piece.content;
  });
  told.error = error_of([&] {
    for (std::size_t from = 0; from < bytes.size(); from += size)
      stream.take(std::string_view(bytes).substr(from, size));
    stream.end();
  });
  return told;
}

std::string event(const std::string& delta, const std::string& finish = "null") {
  return R"(data: {"choices": [{"index": 0, "delta": )" + delta + R"(, "finish_reason": )" + finish +
         "}]}\n\n";
}
const std::string done = "data: [DONE]\n\n";

TEST(AnswerStream, TellsReasoningAndContentHoweverTheBytesAreSplit) {
  const std::string bytes = event(R"({"role": "assistant", "content": ""})") +
                            event(R"({"reasoning_content": "17·", "reasoning": "17·"})") +
                            event(R"({"reasoning": "23"})") + ": waiting\n\n" + event(R"({"content": "3"})") +
                            event(R"({"content": "91 €"})") + event("{}", R"("stop")") +
                            R"(data: {"choices": [], "usage": {"prompt_tokens": 1}})" + "\n\n" + done;
  for (const std::size_t size : {std::size_t(1), std::size_t(2), std::size_t(7), bytes.size()}) {
    const Told told = read(bytes, size);
    EXPECT_EQ(told.reasoning, "17·23");
    EXPECT_EQ(told.content, "391 €");
    EXPECT_EQ(told.error, "no error");
  }
}

TEST(AnswerStream, OfSeveralChoicesTheFirstIsToldToItsEnd) {
  const auto chunk = [](int index, const char* content, const char* finish) {
    return R"(data: {"choices": [{"index": )" + std::to_string(index) + R"(, "delta": {"content": ")" +
           content + R"("}, "finish_reason": )" + finish + "}]}\n\n";
  };
  const std::string other_ends = chunk(1, "x", "null") + chunk(0, "a", "null") + chunk(1, "y", R"("stop")");
  EXPECT_EQ(read(other_ends + chunk(0, "b", R"("stop")"), 100).content, "ab");
  EXPECT_THAT(read(other_ends, 100).error, HasSubstr("it broke off"));
  EXPECT_EQ(
      read(
          R"(data: {"choices": [{"index": 1, "delta": {"content": "x"}}, {"index": 0, "delta": {"content": "a"}}]})"
          "\n\n" +
              done,
          100)
          .content,
      "a");
}

TEST(AnswerStream, ServersEndInTwoWays) {
  EXPECT_EQ(read(event(R"({"content": "a"})", R"("length")"), 100).error, "no error");
  EXPECT_EQ(read(event(R"({"content": "a"})") + done, 100).error, "no error");
  EXPECT_THAT(read(event(R"({"content": "a"})"), 100).error, HasSubstr("it broke off"));
  EXPECT_THAT(read("", 1).error, HasSubstr("it broke off"));
}

TEST(AnswerStream, AnErrorIsToldAfterWhatCameBefore) {
  const Told told =
      read(event(R"({"content": "a"})") + "data: {\"error\": {\"message\": \"no more\"}}\n\n" + done, 5);
  EXPECT_EQ(told.content, "a");
  EXPECT_THAT(told.error, HasSubstr("the server ended it: no more"));
}

TEST(AnswerStream, AnErrorThatIsNullIsNone) {
  const Told told = read(R"(data: {"choices": [{"delta": {"content": "a"}}], "error": null})"
                         "\n\n" +
                             done,
                         100);
  EXPECT_EQ(told.content, "a");
  EXPECT_EQ(told.error, "no error");
}

TEST(AnswerStream, WhatIsNoChunkIsAnError) {
  EXPECT_THAT(read("data: nonsense\n\n", 100).error, HasSubstr("no JSON object"));
  EXPECT_THAT(read("data: []\n\n", 100).error, HasSubstr("no JSON object"));
}

TEST(AnswerStream, FieldsOfOtherKindsSayNothing) {
  for (const char* data :
       {"{}", R"({"choices": 1})", R"({"choices": [1]})", R"({"choices": [{"delta": 1}]})",
        R"({"choices": [{"delta": {"content": 1, "reasoning": null}, "finish_reason": 1}]})"}) {
    const Told told = read("data: " + std::string(data) + "\n\n" + done, 100);
    EXPECT_EQ(told.content + told.reasoning, "") << data;
    EXPECT_EQ(told.error, "no error") << data;
  }
}

}  // namespace
}  // namespace troupe::launch::chat
