#include "runtime/generation/logit_rules.hpp"

#include <algorithm>

#include "model/grammar/tool_calls.hpp"

namespace troupe::runtime {
namespace {

Expected<void> check_id(TokenId id, const model::Tokenizer& tokenizer, const char* field) {
  if (id >= 0 && id < tokenizer.vocab_size()) return {};
  return refuse("token id " + std::to_string(id) + " is outside the vocabulary of " +
                    std::to_string(tokenizer.vocab_size()),
                field);
}

// As vLLM has it: the word as it begins a text, and behind a space if that is as many tokens and another first one.
Expected<void> add_bad_word(const std::string& word, const model::Tokenizer& tokenizer, LogitRules& rules) {
  const auto begin = word.find_first_not_of(" \t\n\r");
  const std::string bare = begin == word.npos ? word : word.substr(begin);
  auto ids = tokenizer.encode(bare);
  if (!ids || ids->empty()) return refuse("A word must have a token.", "bad_words");
  auto spaced = tokenizer.encode(" " + bare);
  const bool differs = spaced && spaced->size() == ids->size() && spaced->front() != ids->front();
  rules.bad_words.push_back(std::move(*ids));
  if (differs) rules.bad_words.push_back(std::move(*spaced));
  return {};
}

void set_thinking(const GenerationRequest& request, const model::Tokenizer& tokenizer, LogitRules& rules) {
  if (!request.thinking_token_budget) return;
  const auto begin = tokenizer.id_of_added("<think>"), end = tokenizer.id_of_added("</think>");
  if (!begin || !end) return;  // a model that does not think keeps any budget
  rules.thinking_budget = *request.thinking_token_budget;
  rules.begin_thinking = *begin;
  rules.end_thinking = *end;
}

bool must_call(const Prompt& prompt) {
  const auto* chat = std::get_if<ChatPrompt>(&prompt);
  return chat && chat->tool_choice != ChatPrompt::ToolChoice::any_or_none;
}

// The grammar of an answer that must call a tool.
GrammarSpec grammar_of_calls(const ChatPrompt& prompt, const model::TextModel& text) {
  std::vector<model::CallableTool> tools;
  for (const auto& tool : prompt.tools) {
    const auto& function = tool.at("function");
    model::CallableTool callable{function.at("name"), function.value("parameters", nlohmann::ordered_json())};
    if (prompt.tool_choice == ChatPrompt::ToolChoice::named && callable.name != prompt.tool_name) continue;
    tools.push_back(std::move(callable));
  }
  const bool several = prompt.parallel_tool_calls && prompt.tool_choice == ChatPrompt::ToolChoice::required;
  return model::tool_call_grammar(text.call_syntax(), tools, several);
}

Expected<void> set_grammar(const GenerationRequest& request, const Prompt& prompt,
                           const model::OutputFormat& format, const model::TextModel& text,
                           const GenerationRules& rules, Submission& submission) {
  const bool calls = must_call(prompt);
  if (!calls && !request.grammar) return {};
  const char* field = calls ? "tool_choice" : "response_format";
  if (!rules.grammars) return refuse("This server holds no answer to a grammar.", field);
  if (request.ignore_eos)
    return refuse("An answer that keeps a grammar ends where the grammar does.", "ignore_eos");
  GrammarSpec spec = calls ? grammar_of_calls(std::get<ChatPrompt>(prompt), text) : *request.grammar;
  if (format.starts_in_reasoning && text.tokenizer.id_of_added("</think>")) spec.after = "</think>";
  if (const auto compiled = rules.grammars->get(spec); !compiled) {
    Refusal why = compiled.error();
    if (why.param.empty()) why.param = field;
    return tl::unexpected(why);
  }
  submission.rules.grammar = grammar_id(spec);
  submission.grammar = std::move(spec);
  return {};
}

}  // namespace

bool wants_grammar(const GenerationRequest& request) {
  return request.grammar || std::ranges::any_of(request.prompts, must_call);
}

Expected<void> set_logit_rules(const GenerationRequest& request, const Prompt& prompt,
                               const model::OutputFormat& format, const model::TextModel& text,
                               const GenerationRules& rules, Submission& submission) {
  LogitRules& out = submission.rules;
  out.repetition_penalty =
      request.repetition_penalty.value_or(float(text.defaults.repetition_penalty.value_or(1)));
  out.presence_penalty = request.presence_penalty;
  out.frequency_penalty = request.frequency_penalty;
  for (const TokenBias& each : request.logit_bias)
    if (auto known = check_id(each.token, text.tokenizer, "logit_bias"); !known) return known;
  out.bias = request.logit_bias;
  for (const TokenId id : request.allowed_token_ids)
    if (auto known = check_id(id, text.tokenizer, "allowed_token_ids"); !known) return known;
  out.allowed = request.allowed_token_ids;
  for (const std::string& word : request.bad_words)
    if (auto added = add_bad_word(word, text.tokenizer, out); !added) return added;
  out.min_tokens = request.min_tokens;
  set_thinking(request, text.tokenizer, out);
  if (auto set = set_grammar(request, prompt, format, text, rules, submission); !set) return set;
  if (out.min_tokens > 0 || out.grammar) {
    out.ends = submission.stop_ids;
    if (out.ends.empty()) out.ends = text.eos_ids;
  }
  return {};
}

}  // namespace troupe::runtime
