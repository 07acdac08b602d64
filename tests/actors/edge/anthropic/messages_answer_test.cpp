#include "actors/edge/anthropic/messages_answer.hpp"

#include <gtest/gtest.h>

#include "tests/actors/edge/deltas.hpp"

namespace troupe::actors::edge::anthropic {
namespace {

using runtime::ChoiceEnd;
using runtime::Delta;

const AnswerIdentity identity{"msg_1", "demo", "fp_1", 1700000000, "1"};

Delta stopped_at(std::string stop_string) {
  Delta delta = finish(ChoiceEnd::stop);
  delta.stop_reason = std::move(stop_string);
  return delta;
}

// A whole conversation's worth of deltas: thoughts, text, and two calls.
std::vector<Delta> deltas() {
  return {thought("Hm"),
          thought("m."),
          text("Let me"),
          text(" look."),
          call({0, "call_a", "weather", ""}),
          call({0, "", "", R"({"city": )"}),
          call({0, "", "", R"("Lima"})"}),
          call({1, "call_b", "time", "{}"}),
          finish(ChoiceEnd::tool_calls)};
}

std::string streamed(const std::vector<Delta>& deltas, const runtime::Usage& usage) {
  const auto answer = make_messages_answer(identity);
  std::string out;
  answer->begin({usage.prompt_tokens, 0, 0, 0}, out);
  for (const Delta& each : deltas) answer->delta(each, out);
  answer->end(usage, out);
  return out;
}

Json whole(const std::vector<Delta>& deltas, const runtime::Usage& usage = {}) {
  const auto answer = make_messages_answer(identity);
  for (const Delta& each : deltas) answer->collect(each);
  return answer->whole(usage);
}

TEST(MessagesAnswer, AStreamOpensAndClosesBlocks) {
  EXPECT_EQ(streamed(deltas(), {10, 20, 8, 5}), R"(event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"demo","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":0,"output_tokens_details":{"thinking_tokens":0}}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"m."}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":""}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Let me"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":" look."}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"call_a","name":"weather","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"city\": "}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"\"Lima\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: content_block_start
data: {"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"call_b","name":"time","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":3}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":10,"output_tokens":20,"output_tokens_details":{"thinking_tokens":5}}}

event: message_stop
data: {"type":"message_stop"}

)");
}

TEST(MessagesAnswer, TheWholeIsMadeOfTheSameDeltas) {
  EXPECT_EQ(
      whole(deltas(), {10, 20, 8, 5}).dump(),
      R"({"id":"msg_1","type":"message","role":"assistant","model":"demo","content":[)"
      R"({"type":"thinking","thinking":"Hmm.","signature":""},{"type":"text","text":"Let me look."},)"
      R"({"type":"tool_use","id":"call_a","name":"weather","input":{"city":"Lima"}},)"
      R"({"type":"tool_use","id":"call_b","name":"time","input":{}}],)"
      R"("stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":20,"output_tokens_details":{"thinking_tokens":5}}})");
}

TEST(MessagesAnswer, OneDeltaMayHoldAllKinds) {
  Delta all = call({0, "c", "f", "{}"});
  all.reasoning = "r";
  all.content = "t";
  all.finish = ChoiceEnd::tool_calls;
  std::vector<std::string> types;
  const std::string out = streamed({all}, {});
  for (auto at = out.find("event: "); at != out.npos; at = out.find("event: ", at + 1))
    types.push_back(out.substr(at + 7, out.find('\n', at) - at - 7));
  const std::string start = "content_block_start", part = "content_block_delta", stop = "content_block_stop";
  EXPECT_EQ(types, (std::vector<std::string>{"message_start", start, part, part, stop, start, part, stop,
                                             start, part, stop, "message_delta", "message_stop"}));
}

TEST(MessagesAnswer, SaysWhyItStopped) {
  const auto why = [](Delta last) {
    const Json message = whole({text("a"), last});
    return message["stop_reason"].get<std::string>() + " " + message["stop_sequence"].dump();
  };
  EXPECT_EQ(why(finish(ChoiceEnd::stop)), "end_turn null");
  EXPECT_EQ(why(stopped_at("END")), R"(stop_sequence "END")");
  EXPECT_EQ(why(finish(ChoiceEnd::length)), "max_tokens null");
  EXPECT_EQ(why(finish(ChoiceEnd::tool_calls)), "tool_use null");
  EXPECT_EQ(why(finish(ChoiceEnd::content_filter)), "refusal null");
  EXPECT_NE(streamed({text("a"), stopped_at("END")}, {})
                .find(R"("delta":{"stop_reason":"stop_sequence","stop_sequence":"END"})"),
            std::string::npos);
}

TEST(MessagesAnswer, ThoughtsMayBeOmitted) {
  Delta thought = text("");
  thought.reasoning = "secret";
  const auto told = make_messages_answer(identity, false);
  std::string out;
  for (const Delta& each : {thought, text("a"), finish(ChoiceEnd::stop)}) {
    told->delta(each, out);
    told->collect(each);
  }
  EXPECT_EQ(out.find("secret"), out.npos);
  EXPECT_EQ(out.find("thinking_delta"), out.npos);
  EXPECT_NE(out.find("signature_delta"), out.npos);
  EXPECT_EQ(told->whole({})["content"].dump(),
            R"([{"type":"thinking","thinking":"","signature":""},{"type":"text","text":"a"}])");
}

TEST(MessagesAnswer, AUseThatWasCutOffHasNoInput) {
  const Json message = whole({call({0, "b", "f", R"({"a": 1})"}), call({1, "c", "f", R"({"a": )"}),
                              finish_in_call(ChoiceEnd::length)});
  EXPECT_EQ(message["content"].dump(), R"([{"type":"tool_use","id":"b","name":"f","input":{"a":1}},)"
                                       R"({"type":"tool_use","id":"c","name":"f","input":{}}])");
  EXPECT_EQ(message["stop_reason"], "max_tokens");
  EXPECT_EQ(
      whole({call({0, "c", "f", R"({"a": )"}), finish(ChoiceEnd::tool_calls)})["content"][0]["input"].dump(),
      R"({"INVALID_JSON":"{\"a\": "})");
}

TEST(MessagesAnswer, AnEmptyAnswerHasNoBlocks) {
  EXPECT_EQ(whole({finish(ChoiceEnd::stop)})["content"].dump(), "[]");
  EXPECT_EQ(streamed({finish(ChoiceEnd::stop)}, {}).find("content_block"), std::string::npos);
}

TEST(MessagesAnswer, PingsAndFailuresAreEvents) {
  const auto answer = make_messages_answer(identity);
  std::string out;
  answer->still_waiting(out);
  EXPECT_EQ(out, "event: ping\ndata: {\"type\":\"ping\"}\n\n");
  out.clear();
  answer->failure({RefusalKind::internal, "the worker died", "", ""}, out);
  EXPECT_EQ(out,
            "event: error\ndata: "
            R"({"type":"error","error":{"type":"api_error","message":"the worker died"},"request_id":"1"})"
            "\n\n");
}

TEST(MessagesAnswer, RefusalsHaveAnthropicsTypes) {
  const std::pair<RefusalKind, std::pair<int, const char*>> cases[] = {
      {RefusalKind::invalid, {400, "invalid_request_error"}},
      {RefusalKind::unauthorized, {401, "authentication_error"}},
      {RefusalKind::forbidden, {403, "permission_error"}},
      {RefusalKind::not_found, {404, "not_found_error"}},
      {RefusalKind::rate_limited, {429, "rate_limit_error"}},
      {RefusalKind::internal, {500, "api_error"}},
      {RefusalKind::too_large, {413, "request_too_large"}},
      {RefusalKind::unavailable, {503, "overloaded_error"}},
  };
  for (const auto& [kind, told] : cases) {
    const Reply reply = refusal_reply({kind, "m", "", ""}, "r-1");
    EXPECT_EQ(reply.status, told.first);
    EXPECT_EQ(reply.body, R"({"type":"error","error":{"type":")" + std::string(told.second) +
                              R"(","message":"m"},"request_id":"r-1"})");
  }
}

}  // namespace
}  // namespace troupe::actors::edge::anthropic
