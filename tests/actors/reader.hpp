// A client of the replica that keeps all it is told, and requests for it.
#pragma once

#include <gtest/gtest.h>

#include <map>

#include "actors/service.hpp"

namespace troupe::actors {

// Keeps what a client would have seen.
class Reader final : public GenerationSink {
 public:
  struct Choice {
    std::string content, reasoning, finish_reason, stop_reason;
    std::vector<runtime::ToolCallDelta> calls;  // arguments joined
    std::vector<runtime::LogprobEntry> logprobs;
    int deltas = 0;
  };
  void on_accepted(runtime::Usage) override {}
  void on_delta(runtime::Delta delta) override {
    EXPECT_EQ(endings, 0) << "a delta after the end";
    auto& choice = choices[delta.choice];
    EXPECT_EQ(choice.finish_reason, "") << "a delta after the choice's last";
    ++choice.deltas;
    choice.content += delta.content;
    choice.reasoning += delta.reasoning;
    choice.finish_reason = to_string(delta.finish);
    choice.stop_reason = delta.stop_reason;
    for (auto& call : delta.tool_calls)
      if (call.name.empty())
        choice.calls.at(std::size_t(call.index)).arguments += call.arguments;
      else
        choice.calls.push_back(std::move(call));
    for (auto& entry : delta.logprobs) choice.logprobs.push_back(std::move(entry));
  }
  void on_end(runtime::Usage total) override {
    ++endings;
    usage = total;
  }
  void on_failure(Refusal refusal) override {
    ++endings;
    failure = std::move(refusal);
  }

  std::map<int, Choice> choices;
  runtime::Usage usage;
  std::optional<Refusal> failure;
  int endings = 0;
};

inline runtime::GenerationRequest chat(const std::string& text, float temperature = 0) {
  runtime::GenerationRequest request;
  request.id = "chatcmpl-test";
  runtime::ChatPrompt prompt;
  prompt.messages = {{{"role", "user"}, {"content", text}}};
  prompt.template_kwargs = nlohmann::ordered_json::object();
  request.prompts = {prompt};
  request.temperature = temperature;
  return request;
}

}  // namespace troupe::actors
