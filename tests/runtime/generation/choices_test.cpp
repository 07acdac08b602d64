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
  auto choices = make_choices(request, text_model(), rules, 7, 99);
  if (!choices || !rules.grammars) return choices;
  const auto compiled = compile_grammars(*choices, *rules.grammars, rules.grammars->deadline());
  if (!compiled) return tl::unexpected(compiled.error());
  EXPECT_TRUE(grammars_at_hand(*choices, *rules.grammars));
  return choices;
}

GenerationRequest continuing(Prompt prompt) {
  GenerationRequest request;
  request.prompts = {std::move(prompt)};
  return request;
}

TEST(Choices, AreNumberedByPromptThenByTurn) {
  auto request = continuing(std::string("one"));
  request.prompts.emplace_back(std::string("two three"));
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

TEST(Choices, APromptsTokensAreThoseThatTheModelReads) {
  const GenerationRules rules{.max_model_len = 4096};
  auto request = continuing(ChatPrompt{.messages = {{{"role", "user"}, {"content", "Who are you?"}}},
                                       .tools = nullptr,
                                       .template_kwargs = nlohmann::ordered_json::object()});
  const auto tokens = tokenize(request, text_model(), rules).value();
  EXPECT_EQ(tokens, choices_of(request).value().front().submission.tokens);
  EXPECT_EQ(detokenize(tokens, text_model()).value(), text_model().tokenizer.decode(tokens));
  request = continuing(std::string("one two three"));
  request.truncate_prompt_tokens = 1;
  EXPECT_EQ(tokenize(request, text_model(), rules).value(),
            choices_of(request).value().front().submission.tokens);
  EXPECT_EQ(tokenize(continuing(std::string(4 << 20, 'a')), text_model(), rules).error().param, "prompt");
  EXPECT_EQ(detokenize({1 << 30}, text_model()).error().param, "tokens");
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

TEST(Choices, WhatFitsIsGenerated) {
  auto request = continuing(std::vector<TokenId>(4090, 30));
  const auto limit = [&] { return choices_of(request).value().front().submission.max_output_tokens; };
  EXPECT_EQ(limit(), 6);
  request.max_tokens = 4000;  // of an agent that always sends it
  EXPECT_EQ(limit(), 6);
  request.max_tokens = 5000;
  EXPECT_EQ(choices_of(request).error().param, "max_tokens");
  request.max_tokens = std::nullopt;
  request.default_max_tokens = 16;
  EXPECT_EQ(limit(), 6);
  request.min_tokens = 17;
  EXPECT_EQ(choices_of(request).error().param, "min_tokens");
  request = continuing(std::vector<TokenId>(20, 30));
  request.default_max_tokens = 16;
  EXPECT_EQ(limit(), 16);
}

TEST(Choices, TheCheckpointsLengthAndPenaltyAreDefaults) {
  auto text = model::TextModel::load(DEMO_MODEL);
  text.defaults.max_new_tokens = 33;
  text.defaults.repetition_penalty = 1.5;
  auto request = continuing(std::string("one"));
  const auto made = [&] {
    return make_choices(request, text, {.max_model_len = 4096}, 7, 99).value().front().submission;
  };
  EXPECT_EQ(made().max_output_tokens, 33);
  EXPECT_EQ(made().rules.repetition_penalty, 1.5f);
  request.max_tokens = 5;
  request.repetition_penalty = 1;
  EXPECT_EQ(made().max_output_tokens, 5);
  EXPECT_TRUE(made().rules.none());
}

TEST(Choices, ACallerGetsNoMoreThanItMay) {
  auto request = continuing(std::string("one"));
  const auto most = [&] { return choices_of(request).value().front().submission.max_output_tokens; };
  request.most_tokens = 20;
  EXPECT_EQ(most(), 20);
  request.default_max_tokens = 16;
  EXPECT_EQ(most(), 16);
  request.max_tokens = 8;
  EXPECT_EQ(most(), 8);
}

TEST(Choices, ACallerIsItsNameOrElseItsSalt) {
  const auto caller = [](const std::string& name, const std::string& salt) {
    auto request = continuing(std::string("one"));
    request.caller = name;
    request.cache_salt = salt;
    return choices_of(request).value().front().submission.caller;
  };
  EXPECT_EQ(caller("a", "s"), caller("a", "t"));
  EXPECT_NE(caller("a", "s"), caller("b", "s"));
  EXPECT_NE(caller("", "s"), caller("", "t"));
  EXPECT_EQ(caller("", "s"), caller("", "s"));
}

TEST(Choices, TheCheckpointForbidsTokensAndAsksForALength) {
  auto text = model::TextModel::load(DEMO_MODEL);
  text.defaults.bad_words = {{40}, {41, 42}};
  text.defaults.min_new_tokens = 9;
  auto request = continuing(std::string("one"));
  const auto rules = [&] {
    return make_choices(request, text, {.max_model_len = 4096}, 7, 99).value().front().submission.rules;
  };
  EXPECT_EQ(rules().bad_words, text.defaults.bad_words);
  EXPECT_EQ(rules().min_tokens, 9);
  request.max_tokens = 3;  // a client's own limit is no mistake of its
  EXPECT_EQ(rules().min_tokens, 3);
  request.min_tokens = 0;
  request.bad_words = {"fox"};
  EXPECT_EQ(rules().min_tokens, 0);
  EXPECT_GT(rules().bad_words->size(), text.defaults.bad_words.size());
}

TEST(Choices, OnlyTheEndOfAPromptIsTakenIfThatIsAsked) {
  auto request = continuing(std::vector<TokenId>{31, 32, 33, 34});
  request.truncate_prompt_tokens = 2;
  EXPECT_EQ(choices_of(request).value().front().submission.tokens, (std::vector<TokenId>{33, 34}));
  request = continuing(std::vector<TokenId>(5000, 30));
  request.max_tokens = 96;
  request.truncate_prompt_tokens = -1;
  EXPECT_EQ(choices_of(request).value().front().submission.tokens.size(), 4000u);
}

TEST(Choices, ChangesOfLogitsBecomeRules) {
  auto request = continuing(std::string("one"));
  request.presence_penalty = 0.5f;
  request.logit_bias = {{40, 2.5f}};
  request.bad_words = {"fox"};
  request.allowed_token_ids = {40, 41};
  request.min_tokens = 2;
  request.stop_token_ids = {40};
  const LogitRules rules = choices_of(request).value().front().submission.rules;
  EXPECT_EQ(rules.presence_penalty, 0.5f);
  EXPECT_EQ(rules.bias, request.logit_bias);
  EXPECT_EQ(rules.allowed, request.allowed_token_ids);
  EXPECT_EQ(rules.bad_words->front(), text_model().tokenizer.encode("fox").value());
  EXPECT_EQ(rules.ends.front(), 40);
  EXPECT_GT(rules.ends.size(), 1u);
  request.logit_bias = {{1'000'000, 1}};
  EXPECT_EQ(choices_of(request).error().param, "logit_bias");
  request.logit_bias.clear();
  request.allowed_token_ids = {-1};
  EXPECT_EQ(choices_of(request).error().param, "allowed_token_ids");
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

struct Grammars {
  model::GrammarCompiler compiler{text_model().tokenizer, text_model().tokenizer.vocab_size(),
                                  text_model().eos_ids};
  model::GrammarCache cache{
      [this](const GrammarSpec& spec, TimePoint deadline) { return compiler.compile(spec, deadline); }, {}};
};

// Else one request with many choices takes all memory.
TEST(Choices, HoldTogetherWhatMayBeLong) {
  static Grammars grammars;
  auto request = continuing(std::string("one"));
  request.prompts.emplace_back(std::string("two"));
  request.n = 2;
  request.allowed_token_ids = {40, 41};
  request.bad_words = {"fox"};
  request.grammar = GrammarSpec{.kind = GrammarSpec::Kind::regex, .text = "[a-z]+"};
  const auto choices = choices_of(request, {.max_model_len = 4096, .grammars = &grammars.cache}).value();
  ASSERT_EQ(choices.size(), 4u);
  const Submission& first = choices.front().submission;
  for (const NewChoice& each : choices) {
    EXPECT_EQ(&*each.submission.rules.allowed, &*request.allowed_token_ids);
    EXPECT_EQ(&*each.submission.rules.bad_words, &*first.rules.bad_words);
    EXPECT_EQ(&*each.submission.grammar.text, &*request.grammar->text);
  }
}

TEST(Choices, OnlyAChatsFirstChoiceLooksAtThePrompt) {
  auto request = continuing(chat());
  request.n = 2;
  request.prompt_logprobs = 1;
  const auto of_chat = choices_of(request).value();
  EXPECT_EQ(of_chat[0].submission.sampling.prompt_logprobs, 1);
  EXPECT_EQ(of_chat[1].submission.sampling.prompt_logprobs, -1);
  request.prompts = {std::string("one")};  // a completion tells them of each choice
  const auto of_completion = choices_of(request).value();
  for (const NewChoice& each : of_completion) EXPECT_EQ(each.submission.sampling.prompt_logprobs, 1);
}

TEST(Choices, ToolsAreCalledWhereTheyAreThere) {
  static Grammars grammars;
  EXPECT_TRUE(format_of(chat()).tool_calls);
  EXPECT_FALSE(format_of(chat(), {.max_model_len = 4096, .parse_tool_calls = false}).tool_calls);
  for (const auto forced : {ChatPrompt::ToolChoice::required, ChatPrompt::ToolChoice::named}) {
    ChatPrompt must = chat();
    must.tool_choice = forced;
    must.tool_name = must.tools[0]["function"]["name"];
    EXPECT_TRUE(
        format_of(must, {.max_model_len = 4096, .parse_tool_calls = false, .grammars = &grammars.cache})
            .tool_calls);
  }
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

TEST(Choices, OrAreNotShownWhereTheOperatorSaysSo) {
  const auto tokens = [](ChatPrompt prompt) {
    const GenerationRules rules{.max_model_len = 4096, .show_unused_tools = false};
    return choices_of(continuing(std::move(prompt)), rules).value().front().submission.tokens;
  };
  auto unused = chat(), none = chat();
  unused.parse_tool_calls = false;
  none.tools = nullptr;
  EXPECT_EQ(tokens(unused), tokens(none));
  EXPECT_NE(tokens(chat()), tokens(none));
}

TEST(Choices, ToolsThatMayNotBeCalledNeedNoTemplateThatPrintsThem) {
  const auto text = model::TextModel::load(DEMO_MODEL, "{{ messages[0]['content'] }}");
  auto prompt = chat();
  EXPECT_EQ(make_choices(continuing(prompt), text, {.max_model_len = 4096}, 7, 99).error().param, "tools");
  prompt.parse_tool_calls = false;
  EXPECT_TRUE(make_choices(continuing(prompt), text, {.max_model_len = 4096}, 7, 99));
}

TEST(Choices, AGrammarBeginsBehindTheThoughts) {
  static Grammars grammars;
  const GenerationRules rules{.max_model_len = 4096, .grammars = &grammars.cache};
  auto request = continuing(chat());
  request.grammar = GrammarSpec{.kind = GrammarSpec::Kind::json_object};
  const auto submission = choices_of(request, rules).value().front().submission;
  EXPECT_EQ(submission.grammar, *request.grammar);
  EXPECT_EQ(submission.rules.grammar, grammar_id(submission.grammar));
  std::get<ChatPrompt>(request.prompts.front()).thinking = true;
  EXPECT_EQ(choices_of(request, rules).value().front().submission.grammar.after, "</think>");
  request.grammar = GrammarSpec{.kind = GrammarSpec::Kind::json_schema, .text = R"({"type": "nonsense"})"};
  EXPECT_EQ(choices_of(request, rules).error().param, "response_format");
  EXPECT_EQ(choices_of(request).error().param, "response_format");  // where none are served
}

TEST(Choices, AForcedCallIsAGrammar) {
  static Grammars grammars;
  const GenerationRules rules{.max_model_len = 4096, .grammars = &grammars.cache};
  auto prompt = chat();
  prompt.tool_choice = ChatPrompt::ToolChoice::named;
  prompt.tool_name = "f";
  const auto submission = choices_of(continuing(prompt), rules).value().front().submission;
  EXPECT_EQ(submission.grammar.kind, GrammarSpec::Kind::tool_calls);
  prompt.tools[0]["function"]["parameters"] = {{"type", "nonsense"}};
  EXPECT_EQ(choices_of(continuing(prompt), rules).error().param, "tools");
}

TEST(Choices, CallsOfStrictToolsAreHeldWhereTheyCome) {
  static Grammars grammars;
  const GenerationRules rules{.max_model_len = 4096, .grammars = &grammars.cache};
  auto prompt = chat();
  const auto made = [&] { return choices_of(continuing(prompt), rules); };
  EXPECT_FALSE(made().value().front().submission.rules.grammar);
  auto& function = prompt.tools[0]["function"];
  function["strict"] = true;
  const auto submission = made().value().front().submission;
  EXPECT_EQ(submission.grammar.kind, GrammarSpec::Kind::tool_calls);
  EXPECT_EQ(submission.grammar.after, "");
  EXPECT_EQ(submission.rules.grammar, grammar_id(submission.grammar));
  EXPECT_EQ(choices_of(continuing(prompt)).error().param, "tools");  // where none are served

  auto request = continuing(prompt);
  request.ignore_eos = true;  // its text is free
  EXPECT_TRUE(choices_of(request, rules));
  request.grammar = GrammarSpec{.kind = GrammarSpec::Kind::json_object};  // of all of the answer
  EXPECT_EQ(choices_of(request, rules).error().param, "ignore_eos");
  prompt.thinking = true;
  EXPECT_EQ(made().value().front().submission.grammar.after, "</think>");
  prompt.tools[0]["function"]["parameters"] = {{"type", "nonsense"}};
  EXPECT_EQ(made().error().param, "tools");
  prompt.parse_tool_calls = false;  // tool_choice: none
  EXPECT_FALSE(made().value().front().submission.rules.grammar);
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

TEST(Choices, TemplatesAreToldHowMuchToThinkAndToWriteWhereTheyAsk) {
  const auto asking = model::TextModel::load(
      DEMO_MODEL, "{{ reasoning_effort }}, {{ verbosity }}, {{ messages[0]['content'] }}");
  auto prompt = chat();
  prompt.tools = nullptr;
  const std::string silent = text_of(prompt);
  prompt.reasoning_effort = "high";
  prompt.verbosity = "low";
  EXPECT_EQ(text_of(prompt), silent);
  const auto choices = make_choices(continuing(prompt), asking, {.max_model_len = 4096}, 7, 99).value();
  EXPECT_THAT(asking.tokenizer.decode(choices.front().submission.tokens),
              testing::StartsWith("high, low, Weather?"));
}

TEST(Choices, ThePromptSaysWhetherTheOutputStartsInReasoning) {
  EXPECT_FALSE(format_of(chat()).starts_in_reasoning);
  auto thinking = chat();
  thinking.template_kwargs["thinking"] = true;
  EXPECT_TRUE(format_of(thinking).starts_in_reasoning);
}

}  // namespace
}  // namespace troupe::runtime
