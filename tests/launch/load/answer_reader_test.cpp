#include "launch/load/answer_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::launch::load {
namespace {

using std::chrono::milliseconds;
using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string answer =
    ": a comment\r\n"
    "data: {\"choices\": [{\"text\": \"a\"}]}\r\n\r\n"
    "data:{\"choices\": [{\"text\": \"\"}], \"usage\": null}\n\n"
    "event: x\n"
    "data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 5, \"completion_tokens\": 4}}\n\n"
    "data: [DONE]\n\n";

TEST(AnswerReader, EventsMayBeSplitAnywhere) {
  for (std::size_t size = 1; size <= answer.size(); ++size) {
    Exchange exchange;
    AnswerReader reader(exchange, {});
    for (std::size_t from = 0; from < answer.size(); from += size)
      reader.take(answer.substr(from, size), TimePoint(milliseconds(1)));
    reader.end();
    EXPECT_EQ(exchange.itl.size(), 1u) << size;
    EXPECT_EQ(exchange.prompt_len, 5) << size;
    EXPECT_EQ(exchange.output_len, 4) << size;
  }
}

TEST(AnswerReader, TimesAreThoseOfEventsWithTokens) {
  const auto at = [](int ms) { return TimePoint(milliseconds(ms)); };
  Exchange exchange;
  AnswerReader reader(exchange, at(100));
  reader.take("data: {\"choices\": [{\"delta\": {\"role\": \"assistant\", \"content\": \"\"}}]}\n", at(101));
  reader.take("data: {\"choices\": [{\"delta\": {\"reasoning_content\": \"a\"}}]}\n", at(350));
  reader.take("data: {\"choices\": [{\"delta\": {\"content\": \"b\"}}]}\n", at(475));
  reader.take("data: {\"choices\": [{\"delta\": {}, \"finish_reason\": \"stop\"}]}\n", at(600));
  reader.take("data: [DONE]\n", at(700));
  reader.end();
  EXPECT_DOUBLE_EQ(exchange.ttft, 0.25);
  EXPECT_THAT(exchange.itl, ElementsAre(DoubleEq(0.125)));
  EXPECT_DOUBLE_EQ(exchange.latency, 0.375);
  EXPECT_EQ(exchange.output_len, 2);  // as no usage was told
}

std::string failure_of(const std::string& stream) {
  Exchange exchange;
  AnswerReader reader(exchange, {});
  try {
    reader.take(stream, {});
    reader.end();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(AnswerReader, WhatIsNoWholeAnswerFails) {
  EXPECT_THAT(failure_of(answer.substr(0, answer.find("data: [DONE]"))), HasSubstr("without its [DONE]"));
  EXPECT_THAT(failure_of("data: [DONE]\n"), HasSubstr("no token"));
  EXPECT_THAT(failure_of("data: nonsense\n"), HasSubstr("no JSON object"));
  EXPECT_THAT(failure_of("data: {\"error\": {\"message\": \"a worker died\"}}\ndata: [DONE]\n"),
              HasSubstr("a worker died"));
  EXPECT_THAT(failure_of(std::string(EventSplitter::max_line_bytes + 1, 'x')), HasSubstr("no end"));
  EXPECT_EQ(failure_of("data: {\"error\": null}\n" + answer), "");
  EXPECT_EQ(failure_of(answer), "");
}

}  // namespace
}  // namespace troupe::launch::load
