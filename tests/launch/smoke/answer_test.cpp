#include "launch/smoke/answer.hpp"

#include <gmock/gmock.h>

#include "tests/error_of.hpp"

namespace troupe::launch::smoke {
namespace {

using testing::HasSubstr;

TEST(ChatAnswer, IsReadOfAWholeOne) {
  const ChatAnswer answer = read_answer(R"({"choices": [{"index": 0, "finish_reason": "tool_calls", "message":
    {"role": "assistant", "content": null, "reasoning_content": "Hm.", "tool_calls": [{"id": "1", "type": "function",
     "function": {"name": "f", "arguments": "{}"}}]}}], "usage": {"completion_tokens": 9}})");
  EXPECT_EQ(answer.content, "");
  EXPECT_EQ(answer.reasoning, "Hm.");
  EXPECT_TRUE(answer.has_reasoning);
  EXPECT_EQ(answer.finish_reason, "tool_calls");
  EXPECT_EQ(answer.completion_tokens, 9);
  ASSERT_EQ(answer.calls.size(), 1u);
  EXPECT_EQ(answer.calls[0].name, "f");
  EXPECT_EQ(answer.calls[0].arguments, "{}");
  EXPECT_FALSE(
      read_answer(R"({"choices": [{"message": {"content": "a", "reasoning": null}}]})").has_reasoning);
  EXPECT_TRUE(read_answer(R"({"choices": [{"message": {"content": "a", "reasoning": ""}}]})").has_reasoning);
}

TEST(ChatAnswer, WhatIsNoneIsAnError) {
  for (const auto& [page, reason] :
       {std::pair("", "no JSON object"),
        {"[]", "no JSON object"},
        {"{}", "no choice"},
        {R"({"choices": []})", "no choice"},
        {R"({"choices": [7]})", "no choice"},
        {R"({"choices": [{"text": "a"}]})", "no message"},
        {R"({"choices": [{"message": {"tool_calls": [{}]}}]})", "without its function"},
        {R"({"choices": [{"message": {"tool_calls": [{"function": {"name": "f"}}]}}]})",
         "without name or arguments"}})
    EXPECT_THAT(error_of([&, page = page] { read_answer(page); }), HasSubstr(reason)) << page;
}

const std::string events =
    "data: {\"choices\": [{\"delta\": {\"role\": \"assistant\", \"content\": \"\"}}]}\n\n"
    "data: {\"choices\": [{\"delta\": {\"reasoning_content\": \"Hm\", \"reasoning\": \"Hm\"}}]}\n\n"
    ": a comment\n\n"
    "data: {\"choices\": [{\"delta\": {\"content\": \"39\"}}]}\r\n\r\n"
    "data: {\"choices\": [{\"delta\": {\"content\": \"1\"}, \"finish_reason\": \"stop\"}]}\n\n"
    "data: {\"choices\": [], \"usage\": {\"completion_tokens\": 4}}\n\n";

TEST(StreamedAnswer, MayBeSplitAnywhere) {
  const std::string text = events + "data: [DONE]\n\n";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    StreamedAnswer stream;
    for (std::size_t from = 0; from < text.size(); from += size) stream.take(text.substr(from, size));
    EXPECT_EQ(stream.whole().content, "391");
    EXPECT_EQ(stream.whole().reasoning, "Hm");
    EXPECT_EQ(stream.whole().finish_reason, "stop");
    EXPECT_EQ(stream.whole().completion_tokens, 4);
  }
}

TEST(StreamedAnswer, WhatBreaksOffIsAnError) {
  StreamedAnswer stream;
  EXPECT_FALSE(stream.begun());
  stream.take(events);
  EXPECT_TRUE(stream.begun());
  EXPECT_THAT(error_of([&] { stream.whole(); }), HasSubstr("[DONE]"));
  stream.take("data: [DONE]\n");
  EXPECT_THAT(error_of([&] { stream.take("data: {}\n"); }), HasSubstr("goes on behind"));
}

TEST(StreamedAnswer, WhatIsNoChunkIsAnError) {
  for (const auto& [event, reason] : {std::pair("x", "no JSON object"),
                                      {"{\"error\": {\"message\": \"dead\"}}", ": dead"},
                                      {"{\"choices\": [{\"text\": \"a\"}]}", "without its delta"}}) {
    StreamedAnswer stream;
    EXPECT_THAT(error_of([&, event = event] { stream.take("data: " + std::string(event) + "\n"); }),
                HasSubstr(reason));
  }
}

}  // namespace
}  // namespace troupe::launch::smoke
