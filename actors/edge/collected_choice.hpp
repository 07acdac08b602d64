// All that a choice has said so far, for answers that are told whole. One owner.
#pragma once

#include "actors/service.hpp"

namespace troupe::actors::edge {

struct CollectedChoice {
  std::string content, reasoning;
  std::vector<runtime::ToolCallDelta> tool_calls;  // by index, each whole so far
  std::vector<runtime::LogprobEntry> logprobs;
  std::vector<runtime::LogprobEntry> prompt_logprobs;
  std::vector<TokenId> token_ids, prompt_token_ids;
  runtime::ChoiceEnd finish = runtime::ChoiceEnd::none;
  bool in_call = false;
  std::string stop_reason;
  std::optional<TokenId> stop_token;

  void add(runtime::Delta delta);  // of this choice
};

}  // namespace troupe::actors::edge
