#include "actors/edge/ollama/answer.hpp"

#include <gtest/gtest.h>

#include "tests/actors/edge/deltas.hpp"

namespace troupe::actors::edge::ollama {
namespace {

using runtime::ChoiceEnd;
using runtime::Delta;
using std::chrono::milliseconds;

const AnswerIdentity identity{"ollama-1", "demo", "fp_1", 1700000000};

struct OllamaAnswer : testing::Test {
  TimePoint time{};

  std::unique_ptr<Answer> make(bool chat = true) {
    return make_answer(identity, {"demo:latest", chat}, [this] { return time; });
  }
  // The first delta comes after 5 ms, the end after 12.
  std::string streamed(const std::vector<Delta>& deltas, const runtime::Usage& usage, bool chat = true) {
    const auto answer = make(chat);
    std::string out;
    answer->begin(usage, out);
    time += milliseconds(5);
    for (const Delta& each : deltas) answer->delta(each, out);
    time += milliseconds(7);
    answer->end(usage, out);
    return out;
  }
  std::string whole(const std::vector<Delta>& deltas, const runtime::Usage& usage, bool chat = true) {
    const auto answer = make(chat);
    time += milliseconds(5);
    for (const Delta& each : deltas) answer->collect(each);
    time += milliseconds(7);
    return answer->whole(usage).dump();
  }
};

const std::vector<Delta> with_calls{thought("Hmm"),
                                    text("Let me"),
                                    text(" look."),
                                    call({0, "call_a", "weather", R"({"city": )"}),
                                    call({0, "", "", R"("Lima"})"}),
                                    call({1, "call_b", "time", ""}),
                                    finish(ChoiceEnd::tool_calls)};

TEST_F(OllamaAnswer, AStreamIsALineForEachDeltaAndCallsAreWhole) {
  const std::string head =
      R"({"model":"demo:latest","created_at":"2023-11-14T22:13:20Z","message":{"role":"assistant",)";
  EXPECT_EQ(
      streamed(with_calls, {10, 20, 8, 5}),
      head +
          R"("content":"","thinking":"Hmm"},"done":false})"
          "\n" +
          head +
          R"("content":"Let me"},"done":false})"
          "\n" +
          head +
          R"("content":" look."},"done":false})"
          "\n" +
          head +
          R"("content":"","tool_calls":[{"id":"call_a","function":{"index":0,"name":"weather","arguments":{"city":"Lima"}}}]},"done":false})"
          "\n" +
          head +
          R"("content":"","tool_calls":[{"id":"call_b","function":{"index":1,"name":"time","arguments":{}}}]},"done":false})"
          "\n" +
          head +
          R"("content":""},"done":true,"done_reason":"stop","total_duration":12000000,"load_duration":0,)"
          R"("prompt_eval_count":10,"prompt_eval_duration":5000000,"eval_count":20,"eval_duration":7000000})"
          "\n");
}

TEST_F(OllamaAnswer, TheWholeIsMadeOfTheSameDeltas) {
  EXPECT_EQ(
      whole(with_calls, {10, 20, 8, 5}),
      R"({"model":"demo:latest","created_at":"2023-11-14T22:13:20Z","message":{"role":"assistant","content":"Let me look.","thinking":"Hmm",)"
      R"("tool_calls":[{"id":"call_a","function":{"index":0,"name":"weather","arguments":{"city":"Lima"}}},)"
      R"({"id":"call_b","function":{"index":1,"name":"time","arguments":{}}}]},"done":true,"done_reason":"stop",)"
      R"("total_duration":12000000,"load_duration":0,"prompt_eval_count":10,"prompt_eval_duration":5000000,"eval_count":20,"eval_duration":7000000})");
}

TEST_F(OllamaAnswer, APlainPromptHasAResponse) {
  const std::vector<Delta> deltas{thought("t"), text("a"), finish(ChoiceEnd::length)};
  const std::string head = R"({"model":"demo:latest","created_at":"2023-11-14T22:13:20Z","response":)";
  const std::string tail =
      R"("done":true,"done_reason":"length","total_duration":12000000,"load_duration":0,)"
      R"("prompt_eval_count":1,"prompt_eval_duration":5000000,"eval_count":2,"eval_duration":7000000})";
  EXPECT_EQ(streamed(deltas, {1, 2, 0, 0}, false), head +
                                                       R"("","thinking":"t","done":false})"
                                                       "\n" +
                                                       head +
                                                       R"("a","done":false})"
                                                       "\n" +
                                                       head + R"("",)" + tail + "\n");
  EXPECT_EQ(whole(deltas, {1, 2, 0, 0}, false), head + R"("a","thinking":"t",)" + tail);
}

TEST_F(OllamaAnswer, SeveralCallsInOneDeltaAreToldInOrder) {
  Delta both;
  both.tool_calls = {{0, "a", "f", "{}"}, {1, "b", "g", "{}"}};
  both.finish = ChoiceEnd::tool_calls;
  const std::string out = streamed({both}, {});
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 2);
  EXPECT_LT(out.find(R"("name":"f")"), out.find(R"("name":"g")"));
}

TEST_F(OllamaAnswer, ACallThatWasCutOffIsNotTold) {
  for (const auto& [how, reason] : {std::pair{ChoiceEnd::length, R"("done_reason":"length")"},
                                    std::pair{ChoiceEnd::stop, R"("done_reason":"stop")"},
                                    std::pair{ChoiceEnd::content_filter, R"("done_reason":"stop")"},
                                    std::pair{ChoiceEnd::tool_calls, R"("done_reason":"stop")"}}) {
    const std::vector<Delta> cut{call({0, "a", "f", "{}"}), call({1, "b", "g", R"({"x": )"}),
                                 finish_in_call(how)};
    for (const std::string& told : {streamed(cut, {}), whole(cut, {})}) {
      EXPECT_NE(told.find(R"("name":"f")"), told.npos) << told;
      EXPECT_EQ(told.find(R"("name":"g")"), told.npos) << told;
      EXPECT_NE(told.find(reason), told.npos) << told;
    }
  }
}

TEST_F(OllamaAnswer, WithoutAPromptTheModelIsLoaded) {
  EXPECT_EQ(
      make()->whole({}).dump(),
      R"({"model":"demo:latest","created_at":"2023-11-14T22:13:20Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"load",)"
      R"("total_duration":0,"load_duration":0,"prompt_eval_count":0,"prompt_eval_duration":0,"eval_count":0,"eval_duration":0})");
}

TEST_F(OllamaAnswer, AModelThatNobodyWantsAnyLongerIsUnloaded) {
  const auto answer = make_answer(identity, {"demo", false, true}, [] { return TimePoint(); });
  EXPECT_EQ(answer->whole({})["done_reason"], "unload");
}

TEST_F(OllamaAnswer, LogprobsStandBesideTheTextTheyAreOf) {
  Delta delta = text("a");
  delta.logprobs = {{{1, "a", -0.5f}, {{1, "a", -0.5f}, {2, "b", -1.5f}}}};
  Delta silent;  // its bytes are no whole character yet
  silent.logprobs = {{{3, "\xe2", -1}, {}}};
  const std::string a = R"({"token":"a","logprob":-0.5,"bytes":[97])";
  const std::string first =
      "[" + a + R"(,"top_logprobs":[)" + a + R"(},{"token":"b","logprob":-1.5,"bytes":[98]}]})";
  const std::string second = R"({"token":"bytes:\\xe2","logprob":-1.0,"bytes":[226],"top_logprobs":[]}])";
  const std::string head = R"({"model":"demo:latest","created_at":"2023-11-14T22:13:20Z","response":)";
  const std::string stream = streamed({delta, silent, finish()}, {}, false);
  EXPECT_TRUE(stream.starts_with(head + R"("a","logprobs":)" + first + R"(],"done":false})" + "\n" + head +
                                 R"("","logprobs":[)" + second + R"(,"done":false})" + "\n" + head +
                                 R"("","done":true,)"))
      << stream;
  EXPECT_TRUE(whole({delta, silent, finish()}, {}, false)
                  .starts_with(head + R"("a","logprobs":)" + first + "," + second + R"(,"done":true,)"));
}

TEST_F(OllamaAnswer, SignsOfLifeAndFailuresAreLines) {
  const auto answer = make(false);
  std::string out;
  answer->still_waiting(out);
  answer->failure({RefusalKind::internal, "the worker died", "", ""}, out);
  EXPECT_EQ(out, R"({"model":"demo:latest","created_at":"2023-11-14T22:13:20Z","response":"","done":false})"
                 "\n"
                 R"({"error":"the worker died"})"
                 "\n");
}

TEST(OllamaRefusal, IsASentenceAndAStatus) {
  const Reply reply = refusal_reply({RefusalKind::unavailable, "The queue is full.", "p", "c"}, "r");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.body, R"({"error":"The queue is full."})");
}

}  // namespace
}  // namespace troupe::actors::edge::ollama
