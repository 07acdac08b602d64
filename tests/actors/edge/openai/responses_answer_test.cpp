#include "actors/edge/openai/responses_answer.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/actors/edge/deltas.hpp"

namespace troupe::actors::edge::openai {
namespace {

using runtime::ChoiceEnd;
using runtime::Delta;

const AnswerIdentity identity{"resp_1", "demo", "fp_1", 1700000000};

std::unique_ptr<Answer> answer(bool summary = false) {
  return make_response_answer(identity, {.asked = {{"store", false}}, .reasoning_summary = summary});
}

std::string stream_of(Answer& answer, const std::vector<Delta>& deltas, const runtime::Usage& usage) {
  std::string out;
  answer.begin({}, out);
  for (const Delta& each : deltas) answer.delta(each, out);
  answer.end(usage, out);
  return out;
}

Json whole_of(Answer& answer, const std::vector<Delta>& deltas, const runtime::Usage& usage) {
  for (const Delta& each : deltas) answer.collect(each);
  return answer.whole(usage);
}

// The events of a stream: each says its type twice, and they are numbered.
std::vector<Json> events_in(const std::string& out) {
  std::vector<Json> events;
  for (std::size_t at = 0; at < out.size();) {
    const auto data = out.find("\ndata: ", at), end = out.find("\n\n", at);
    events.push_back(Json::parse(out.substr(data + 7, end - data - 7)));
    EXPECT_EQ(out.substr(at, data - at), "event: " + events.back()["type"].get<std::string>());
    EXPECT_EQ(events.back()["sequence_number"], events.size() - 1);
    at = end + 2;
  }
  return events;
}

TEST(ResponseAnswer, StreamsAText) {
  const std::string begun =
      R"({"id":"resp_1","object":"response","created_at":1700000000,"status":"in_progress",)"
      R"("error":null,"incomplete_details":null,"model":"demo","output":[],"store":false,"usage":null})";
  const std::string out = stream_of(*answer(), {text("Hel"), text("lo"), finish()}, {5, 2, 4, 0});
  EXPECT_EQ(
      out,
      "event: response.created\ndata: "
      R"({"type":"response.created","sequence_number":0,"response":)" +
          begun +
          "}\n\n"
          "event: response.in_progress\ndata: "
          R"({"type":"response.in_progress","sequence_number":1,"response":)" +
          begun +
          "}\n\n"
          "event: response.output_item.added\n"
          R"(data: {"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"msg_resp_1_0",)"
          R"("type":"message","status":"in_progress","role":"assistant","content":[]}})"
          "\n\n"
          "event: response.content_part.added\n"
          R"(data: {"type":"response.content_part.added","sequence_number":3,"item_id":"msg_resp_1_0","output_index":0,)"
          R"("content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}})"
          "\n\n"
          "event: response.output_text.delta\n"
          R"(data: {"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_resp_1_0","output_index":0,)"
          R"("content_index":0,"delta":"Hel","logprobs":[]})"
          "\n\n"
          "event: response.output_text.delta\n"
          R"(data: {"type":"response.output_text.delta","sequence_number":5,"item_id":"msg_resp_1_0","output_index":0,)"
          R"("content_index":0,"delta":"lo","logprobs":[]})"
          "\n\n"
          "event: response.output_text.done\n"
          R"(data: {"type":"response.output_text.done","sequence_number":6,"item_id":"msg_resp_1_0","output_index":0,)"
          R"("content_index":0,"text":"Hello","logprobs":[]})"
          "\n\n"
          "event: response.content_part.done\n"
          R"(data: {"type":"response.content_part.done","sequence_number":7,"item_id":"msg_resp_1_0","output_index":0,)"
          R"("content_index":0,"part":{"type":"output_text","text":"Hello","annotations":[],"logprobs":[]}})"
          "\n\n"
          "event: response.output_item.done\n"
          R"(data: {"type":"response.output_item.done","sequence_number":8,"output_index":0,"item":{"id":"msg_resp_1_0",)"
          R"("type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello",)"
          R"("annotations":[],"logprobs":[]}]}})"
          "\n\n"
          "event: response.completed\n"
          R"(data: {"type":"response.completed","sequence_number":9,"response":{"id":"resp_1","object":"response",)"
          R"("created_at":1700000000,"status":"completed","error":null,"incomplete_details":null,"model":"demo",)"
          R"("output":[{"id":"msg_resp_1_0","type":"message","status":"completed","role":"assistant","content":[)"
          R"({"type":"output_text","text":"Hello","annotations":[],"logprobs":[]}]}],"store":false,)"
          R"("usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":0},"output_tokens":2,)"
          R"("output_tokens_details":{"reasoning_tokens":0},"total_tokens":7}}})"
          "\n\n");
}

std::vector<Delta> thoughts_text_and_calls() {
  return {thought("hm"),
          text("so"),
          call({0, "call_a", "f", ""}),
          call({0, "", "", R"({"x":)"}),
          call({0, "", "", "1}"}),
          call({1, "call_b", "g", "{}"}),
          finish(ChoiceEnd::tool_calls)};
}

TEST(ResponseAnswer, ThoughtsTextAndCallsAreItemsInTheirOrder) {
  EXPECT_EQ(
      whole_of(*answer(), thoughts_text_and_calls(), {})["output"].dump(),
      R"([{"id":"rs_resp_1_0","type":"reasoning","status":"completed","summary":[],)"
      R"("content":[{"type":"reasoning_text","text":"hm"}]},)"
      R"({"id":"msg_resp_1_1","type":"message","status":"completed","role":"assistant",)"
      R"("content":[{"type":"output_text","text":"so","annotations":[],"logprobs":[]}]},)"
      R"({"id":"fc_resp_1_2","type":"function_call","status":"completed","call_id":"call_a","name":"f","arguments":"{\"x\":1}"},)"
      R"({"id":"fc_resp_1_3","type":"function_call","status":"completed","call_id":"call_b","name":"g","arguments":"{}"}])");
  std::string types;
  const auto told = answer();
  for (const Json& event : events_in(stream_of(*told, thoughts_text_and_calls(), {})))
    types += event["type"].get<std::string>().substr(9) + " ";
  EXPECT_EQ(
      types,
      "created in_progress output_item.added content_part.added reasoning_text.delta reasoning_text.done "
      "content_part.done output_item.done output_item.added content_part.added output_text.delta "
      "output_text.done content_part.done output_item.done output_item.added function_call_arguments.delta "
      "function_call_arguments.delta function_call_arguments.done output_item.done output_item.added "
      "function_call_arguments.delta function_call_arguments.done output_item.done completed ");
}

TEST(ResponseAnswer, EventsOfACallSayWhereItStands) {
  const auto told = answer();
  const auto events =
      events_in(stream_of(*told, {call({0, "call_a", "f", "{}"}), finish(ChoiceEnd::tool_calls)}, {}));
  EXPECT_EQ(
      events[2].dump(),
      R"({"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"fc_resp_1_0",)"
      R"("type":"function_call","status":"in_progress","call_id":"call_a","name":"f","arguments":""}})");
  EXPECT_EQ(events[3].dump(),
            R"({"type":"response.function_call_arguments.delta","sequence_number":3,"item_id":"fc_resp_1_0",)"
            R"("output_index":0,"delta":"{}"})");
  EXPECT_EQ(events[4].dump(),
            R"({"type":"response.function_call_arguments.done","sequence_number":4,"item_id":"fc_resp_1_0",)"
            R"("output_index":0,"name":"f","arguments":"{}"})");
}

TEST(ResponseAnswer, ThoughtsAreASummaryForWhoAsksForOne) {
  const auto told = answer(true);
  const auto events = events_in(stream_of(*told, {thought("hm"), finish()}, {}));
  EXPECT_EQ(events[3].dump(),
            R"({"type":"response.reasoning_summary_part.added","sequence_number":3,"item_id":"rs_resp_1_0",)"
            R"("output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}})");
  EXPECT_EQ(events[4].dump(),
            R"({"type":"response.reasoning_summary_text.delta","sequence_number":4,"item_id":"rs_resp_1_0",)"
            R"("output_index":0,"summary_index":0,"delta":"hm"})");
  EXPECT_EQ(
      events[7]["item"].dump(),
      R"({"id":"rs_resp_1_0","type":"reasoning","status":"completed","summary":[{"type":"summary_text","text":"hm"}],)"
      R"("content":[]})");
}

TEST(ResponseAnswer, WhatWasCutIsIncomplete) {
  const std::vector<Delta> deltas{text("a"), finish(ChoiceEnd::length)};
  const Json whole = whole_of(*answer(), deltas, {});
  EXPECT_EQ(whole["status"], "incomplete");
  EXPECT_EQ(whole["incomplete_details"].dump(), R"({"reason":"max_output_tokens"})");
  EXPECT_EQ(whole["output"][0]["status"], "incomplete");
  const auto told = answer();
  EXPECT_EQ(events_in(stream_of(*told, deltas, {})).back()["type"], "response.incomplete");
}

TEST(ResponseAnswer, WhatAFilterEndedIsIncompleteToo) {
  const Json whole = whole_of(*answer(), {text("a"), finish(ChoiceEnd::content_filter)}, {});
  EXPECT_EQ(whole["status"], "incomplete");
  EXPECT_EQ(whole["incomplete_details"].dump(), R"({"reason":"content_filter"})");
}

TEST(ResponseAnswer, AFailureEndsTheStream) {
  const auto told = answer();
  std::string out;
  told->begin({}, out);
  told->delta(text("a"), out);
  told->failure({RefusalKind::internal, "broken", "", "x"}, out);
  const auto events = events_in(out);
  EXPECT_EQ(events.back()["type"], "response.failed");
  EXPECT_EQ(events.back()["response"]["error"].dump(), R"({"code":"server_error","message":"broken"})");
  EXPECT_EQ(events.back()["response"]["status"], "failed");
}

TEST(ResponseAnswer, LogprobsAreThoseOfTheText) {
  Delta delta = text("a");
  delta.logprobs = {{{5, "a", -0.5f}, {{5, "a", -0.5f}}}};
  const std::string expected =
      R"([{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[{"token":"a","logprob":-0.5,"bytes":[97]}]}])";
  EXPECT_EQ(whole_of(*answer(), {delta, finish()}, {})["output"][0]["content"][0]["logprobs"].dump(),
            expected);
  const auto told = answer();
  EXPECT_EQ(events_in(stream_of(*told, {delta, finish()}, {}))[4]["logprobs"].dump(), expected);
}

// A token's text may come later than the token, with the next, or never.
TEST(ResponseAnswer, NoLogprobOfTheTextIsLost) {
  const auto with = [](Delta delta, const char* token, bool of_answer = true) {
    delta.logprobs = {{{5, token, -0.5f}, {}}};
    delta.logprobs[0].of_answer = of_answer;
    return delta;
  };
  const std::vector<Delta> deltas{with(thought("hm"), "hm", false),
                                  with(Delta(), "</think>", false),
                                  with(Delta(), "a"),
                                  with(text("ab"), "b"),
                                  with(Delta(), "c"),
                                  with(text("cd"), "d"),
                                  with(Delta(), "STOP"),
                                  with(finish(), "!")};
  const auto tokens = [](const Json& logprobs) {
    std::string all;
    for (const Json& each : logprobs) all += each["token"].get<std::string>() + " ";
    return all;
  };
  const Json whole = whole_of(*answer(), deltas, {});
  EXPECT_EQ(tokens(whole["output"][1]["content"][0]["logprobs"]), "a b c d STOP ! ");
  const auto told = answer();
  std::string streamed, said;
  for (const Json& event : events_in(stream_of(*told, deltas, {})))
    if (event["type"] == "response.output_text.delta") {
      streamed += tokens(event["logprobs"]);
      said += event["delta"].get<std::string>();
    }
  EXPECT_EQ(streamed, "a b c d STOP ! ");
  EXPECT_EQ(said, "abcd");
  // Deltas that were joined on their way to a slow reader say the same.
  Delta joined = text("ab");
  joined.reasoning = "hm";
  for (const std::size_t i : {0, 1, 2, 3})
    joined.logprobs.insert(joined.logprobs.end(), deltas[i].logprobs.begin(), deltas[i].logprobs.end());
  EXPECT_EQ(whole_of(*answer(), {joined, deltas[4], deltas[5], deltas[6], deltas[7]}, {}).dump(),
            whole.dump());
}

// However the text is split into deltas, the stream's last event has the response that is told whole.
RC_GTEST_PROP(ResponseAnswer, StreamAndWholeAreOne, ()) {
  std::vector<Delta> deltas;
  std::int32_t calls = 0;
  for (const int kind : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 4))) {
    if (kind == 0) deltas.push_back(text("t" + std::to_string(deltas.size())));
    if (kind == 1) deltas.push_back(thought("r" + std::to_string(deltas.size())));
    if (kind == 2) deltas.push_back(call({calls++, "c" + std::to_string(calls), "f", ""}));
    if (kind == 3 && calls > 0) deltas.push_back(call({calls - 1, "", "", "x"}));
  }
  deltas.push_back(finish(*rc::gen::element(ChoiceEnd::stop, ChoiceEnd::length)));
  const auto told = answer();
  const auto events = events_in(stream_of(*told, deltas, {1, 2, 3, 4}));
  RC_ASSERT(events.back()["response"].dump() == whole_of(*answer(), deltas, {1, 2, 3, 4}).dump());
  std::size_t done = 0;
  for (const Json& event : events)
    if (event["type"] == "response.output_item.done")
      RC_ASSERT(event["item"].dump() == events.back()["response"]["output"][done++].dump());
  RC_ASSERT(done == events.back()["response"]["output"].size());
}

TEST(ResponseAnswerDeathTest, EndsOnce) {
  const auto told = answer();
  std::string out;
  EXPECT_DEATH(told->end({}, out), "the answer has ended");
  told->delta(finish(), out);
  EXPECT_DEATH(told->delta(text("a"), out), "a response ends once");
}

}  // namespace
}  // namespace troupe::actors::edge::openai
