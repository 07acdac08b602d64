#include "runtime/generation/choices.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::runtime {
namespace {

const model::TextModel& text_model() {
  static const auto loaded = model::TextModel::load(DEMO_MODEL);
  return loaded;
}

Expected<std::vector<NewChoice>> choices_of(const GenerationRequest& request,
                                            GenerationRules rules = {.max_model_len = 4096}) {
  return make_choices(request, text_model(), rules, 7, 99);
}

GenerationRequest continuing(Prompt prompt) {
  GenerationRequest request;
  request.prompts = {std::move(prompt)};
  return request;
}

TEST(Choices, AreNumberedByPromptThenByTurn) {
  auto request = continuing(std::string("one"));
  request.prompts.push_back(std::string("two three"));
  request.n = 2;
  const auto choices = choices_of(request).value();
  ASSERT_EQ(choices.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(choices[i].submission.sequence, 7 + i);
    EXPECT_EQ(choices[i].submission.sampling.choice, i);
    EXPECT_EQ(choices[i].submission.sampling.seed, 99u);
  }
  EXPECT_EQ(choices[0].submission.tokens, choices[1].submission.tokens);
  EXPECT_NE(choices[1].submission.tokens, choices[2].submission.tokens);
}

TEST(Choices, TheClientsFieldGoesBeforeTheModels) {
  auto request = continuing(std::string("one"));
  request.temperature = 0.25f;
  request.seed = 3;
  const auto sampling = choices_of(request).value().front().submission.sampling;
  EXPECT_EQ(sampling.temperature, 0.25f);
  EXPECT_EQ(sampling.seed, 3u);
  EXPECT_EQ(sampling.top_p, float(text_model().defaults.top_p.value_or(1)));
}

TEST(Choices, WhatIsTooLongIsRefusedWithTheNumbers) {
  const auto refused = choices_of(continuing(std::vector<TokenId>(5000, 30)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "context_length_exceeded");
  EXPECT_NE(refused.error().message.find("5000"), std::string::npos);
  EXPECT_EQ(choices_of(continuing(std::string(4 << 20, 'a'))).error().param, "prompt");
}

TEST(Choices, TooManyAndEmptyAndUnknownTokensAreRefused) {
  auto request = continuing(std::string("one"));
  request.n = 5;
  EXPECT_EQ(choices_of(request, {.max_model_len = 4096, .max_choices = 4}).error().param, "n");
  EXPECT_FALSE(choices_of(continuing(std::vector<TokenId>{})));
  EXPECT_FALSE(choices_of(continuing(std::vector<TokenId>{1'000'000})));
}

ChatPrompt chat() {
  return {.messages = {{{"role", "user"}, {"content", "Weather? <think>"}}},
          .tools = nlohmann::ordered_json::parse(R"([{"type": "function", "function": {
              "name": "f", "description": "", "parameters": {"type": "object"}}}])"),
          .template_kwargs = nlohmann::ordered_json::object()};
}

model::OutputFormat format_of(ChatPrompt prompt, GenerationRules rules = {.max_model_len = 4096}) {
  return choices_of(continuing(std::move(prompt)), rules).value().front().output.format;
}

TEST(Choices, ToolsAreCalledWhereTheyAreThere) {
  EXPECT_TRUE(format_of(chat()).tool_calls);
  EXPECT_FALSE(format_of(chat(), {.max_model_len = 4096, .parse_tool_calls = false}).tool_calls);
  auto without = chat();
  without.tools = nullptr;
  EXPECT_FALSE(format_of(without).tool_calls);
  EXPECT_FALSE(format_of(chat()).one_call);
  auto one = chat();
  one.parallel_tool_calls = false;
  EXPECT_TRUE(format_of(one).one_call);
}

TEST(Choices, ToolsThatMayNotBeCalledStayInThePrompt) {
  auto prompt = chat();
  prompt.parse_tool_calls = false;
  EXPECT_FALSE(format_of(prompt).tool_calls);
  EXPECT_EQ(choices_of(continuing(prompt)).value().front().submission.tokens,
            choices_of(continuing(chat())).value().front().submission.tokens);
}

std::string text_of(ChatPrompt prompt, GenerationRules rules = {.max_model_len = 4096}) {
  const auto choices = choices_of(continuing(std::move(prompt)), rules);
  return choices ? text_model().tokenizer.decode(choices->front().submission.tokens)
                 : "refused: " + choices.error().message;
}

TEST(Choices, TheModelGoesOnWithALastMessage) {
  auto prompt = chat();
  prompt.messages.push_back({{"role", "assistant"}, {"content", "So the"}});
  prompt.add_generation_prompt = false;
  EXPECT_THAT(text_of(prompt), testing::EndsWith("So the<｜end▁of▁sentence｜>"));
  prompt.continue_final_message = true;
  EXPECT_THAT(text_of(prompt), testing::EndsWith("So the"));
}

TEST(Choices, SystemMessagesAreTreatedAsTheServerIsTold) {
  auto prompt = chat();
  prompt.tools = nullptr;
  prompt.messages.insert(prompt.messages.begin(),
                         nlohmann::ordered_json{{"role", "system"}, {"content", "Be brief."}});
  EXPECT_THAT(text_of(prompt), testing::HasSubstr("Be brief.<｜User｜>Weather?"));
  EXPECT_THAT(text_of(prompt, {.max_model_len = 4096, .system_prompt = SystemPrompt::fold}),
              testing::HasSubstr("<｜User｜>Be brief.\n\nWeather?"));
  EXPECT_THAT(text_of(prompt, {.max_model_len = 4096, .system_prompt = SystemPrompt::reject}),
              testing::HasSubstr("--system-prompt reject"));
}

TEST(Choices, ThePromptSaysWhetherTheOutputStartsInReasoning) {
  EXPECT_FALSE(format_of(chat()).starts_in_reasoning);
  auto thinking = chat();
  thinking.template_kwargs["thinking"] = true;
  EXPECT_TRUE(format_of(thinking).starts_in_reasoning);
}

}  // namespace
}  // namespace troupe::runtime
