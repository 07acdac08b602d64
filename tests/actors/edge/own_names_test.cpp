#include "actors/edge/own_names.hpp"

#include <gtest/gtest.h>

namespace troupe::actors::edge {
namespace {

const OwnName names[] = {{"max_tokens", "max_new_tokens"}, {"prompt", "inputs"}, {"tools", "functions"}};

std::string told(const char* param, const char* message) {
  const Refusal own = in_own_names(names, {RefusalKind::invalid, message, param, ""});
  return own.param + ": " + own.message;
}

TEST(OwnNames, ReplaceAFieldAndWhatIsInsideIt) {
  EXPECT_EQ(told("prompt", ""), "inputs: ");
  EXPECT_EQ(told("tools[3].function.name", ""), "functions[3].function.name: ");
  EXPECT_EQ(told("tool_choice", ""), "tool_choice: ");
  EXPECT_EQ(told("prompt_logprobs", ""), "prompt_logprobs: ");
  EXPECT_EQ(told("", "max_tokens"), ": max_tokens");
}

TEST(OwnNames, AreSaidInTheMessageWhereNoWordIsMeant) {
  EXPECT_EQ(told("max_tokens", "max_tokens is 9; lower max_tokens"),
            "max_new_tokens: max_new_tokens is 9; lower max_new_tokens");
  EXPECT_EQ(told("max_tokens", "default_max_tokens"), "max_new_tokens: default_max_tokens");
  EXPECT_EQ(told("prompt", "Invalid 'prompt'. The prompt is long."),
            "inputs: Invalid 'inputs'. The prompt is long.");
}

}  // namespace
}  // namespace troupe::actors::edge
