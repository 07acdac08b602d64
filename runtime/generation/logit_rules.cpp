#include "runtime/generation/logit_rules.hpp"

#include <algorithm>
#include <optional>

#include "model/grammar/tool_calls.hpp"
#include "model/output/marked_calls.hpp"

namespace troupe::runtime {
namespace {

using Json = nlohmann::ordered_json;

Expected<void> check_id(TokenId id, const model::Tokenizer& tokenizer, const char* field) {
  if (id >= 0 && id < tokenizer.vocab_size()) return {};
  return refuse("token id " + std::to_string(id) + " is outside the vocabulary of " +
                    std::to_string(tokenizer.vocab_size()),
                field);
}

// As vLLM has it: the word as it begins a text, and behind a space if that is as many tokens and another first one.
Expected<void> add_bad_word(const std::string& word, const model::Tokenizer& tokenizer,
                            std::vector<std::vector<TokenId>>& words) {
  const auto begin = word.find_first_not_of(" \t\n\r");
  const std::string bare = begin == word.npos ? word : word.substr(begin);
  auto ids = tokenizer.encode(bare);
  if (!ids || ids->empty()) return refuse("A word must have a token.", "bad_words");
  auto spaced = tokenizer.encode(" " + bare);
  const bool differs = spaced && spaced->size() == ids->size() && spaced->front() != ids->front();
  words.push_back(std::move(*ids));
  if (differs) words.push_back(std::move(*spaced));
  return {};
}

Expected<std::vector<std::vector<TokenId>>> bad_words_of(const GenerationRequest& request,
                                                         const model::TextModel& text) {
  std::vector<std::vector<TokenId>> words;
  for (const std::string& word : request.bad_words)
    if (auto added = add_bad_word(word, text.tokenizer, words); !added) return tl::unexpected(added.error());
  words.insert(words.end(), text.defaults.bad_words.begin(), text.defaults.bad_words.end());
  return words;
}

void set_thinking(const GenerationRequest& request, const model::Tokenizer& tokenizer, LogitRules& rules) {
  if (!request.thinking_token_budget) return;
  const auto begin = tokenizer.id_of_added(model::OutputParser::begin_thoughts),
             end = tokenizer.id_of_added(model::OutputParser::end_thoughts);
  if (!begin || !end) return;  // a model that does not think keeps any budget
  rules.thinking_budget = *request.thinking_token_budget;
  rules.begin_thinking = *begin;
  rules.end_thinking = *end;
}

bool must_call(const Prompt& prompt) {
  const auto* chat = std::get_if<ChatPrompt>(&prompt);
  return chat && chat->must_call();
}

bool is_strict(const Json& tool) {
  const auto& function = tool.at("function");
  return function.contains("strict") && function["strict"] == true;
}

// Whether calls that the model makes of its own accord are held to schemas.
bool may_call_strictly(const Prompt& prompt) {
  const auto* chat = std::get_if<ChatPrompt>(&prompt);
  return chat && chat->parse_tool_calls && !must_call(prompt) && std::ranges::any_of(chat->tools, is_strict);
}

// The grammar of an answer that must call a tool.
GrammarSpec forced_calls(const ChatPrompt& prompt, const model::TextModel& text) {
  std::vector<model::CallableTool> tools;
  for (const auto& tool : prompt.tools) {
    const auto& function = tool.at("function");
    model::CallableTool callable{function.at("name"), function.value("parameters", Json())};
    if (prompt.tool_choice == ChatPrompt::ToolChoice::named && callable.name != prompt.tool_name) continue;
    tools.push_back(std::move(callable));
  }
  const bool several = prompt.parallel_tool_calls && prompt.tool_choice == ChatPrompt::ToolChoice::required;
  return model::tool_call_grammar(text.call_syntax(), tools, several);
}

// The grammar of calls that an answer may have; a tool that is not strict takes any object.
GrammarSpec free_calls(const ChatPrompt& prompt, const model::OutputFormat& format,
                       const model::TextModel& text) {
  std::vector<model::CallableTool> tools;
  for (const auto& tool : prompt.tools) {
    const auto& function = tool.at("function");
    tools.push_back({function.at("name"), is_strict(tool) ? function.value("parameters", Json()) : Json()});
  }
  return model::free_call_grammar(text.call_syntax(), tools, prompt.parallel_tool_calls, format.reasoning);
}

// What an answer must look like, and the field that says so.
struct WantedGrammar {
  GrammarSpec spec;
  const char* field;
  bool of_all = true;  // of the answer, and not only of calls that it may have
};

std::optional<WantedGrammar> wanted_grammar(const GenerationRequest& request, const Prompt& prompt,
                                            const model::OutputFormat& format, const model::TextModel& text) {
  const auto* chat = std::get_if<ChatPrompt>(&prompt);
  if (must_call(prompt)) return WantedGrammar{forced_calls(*chat, text), "tool_choice"};
  if (request.grammar) return WantedGrammar{*request.grammar, "response_format"};
  if (format.tool_calls && may_call_strictly(prompt))
    return WantedGrammar{free_calls(*chat, format, text), "tools", false};
  return std::nullopt;
}

// An answer whose calls are held begins them in the form that its grammar is of.
void ban_calls_of_other_forms(const model::TextModel& text, LogitRules& rules) {
  if (text.call_syntax() != model::ToolCallSyntax::dsml) return;
  const auto other = text.tokenizer.id_of_added(model::MarkedCalls::opening);
  if (!other) return;
  std::vector<std::vector<TokenId>> words = rules.bad_words;
  words.push_back({*other});
  rules.bad_words = std::move(words);
}

Expected<void> set_grammar(const GenerationRequest& request, const Prompt& prompt,
                           const model::OutputFormat& format, const model::TextModel& text,
                           const GenerationRules& rules, NewChoice& choice) {
  auto wanted = wanted_grammar(request, prompt, format, text);
  if (!wanted) return {};
  auto& [spec, field, of_all] = *wanted;
  if (!rules.grammars) return refuse("This server holds no answer to a grammar.", field);
  if (request.ignore_eos && of_all)
    return refuse("An answer that keeps a grammar ends where the grammar does.", "ignore_eos");
  // Where thoughts are not told apart, calls may stand in them.
  const bool behind_thoughts = format.starts_in_reasoning && (of_all || format.reasoning);
  if (behind_thoughts && text.tokenizer.id_of_added(model::OutputParser::end_thoughts))
    spec.after = model::OutputParser::end_thoughts;
  if (!of_all) ban_calls_of_other_forms(text, choice.submission.rules);
  choice.submission.rules.grammar = grammar_id(spec);
  choice.submission.grammar = std::move(spec);
  choice.grammar_field = must_call(prompt) ? "tools" : field;
  return {};
}

}  // namespace

Expected<LogitRules> common_logit_rules(const GenerationRequest& request, const model::TextModel& text) {
  LogitRules out;
  out.repetition_penalty =
      request.repetition_penalty.value_or(float(text.defaults.repetition_penalty.value_or(1)));
  out.presence_penalty = request.presence_penalty;
  out.frequency_penalty = request.frequency_penalty;
  for (const TokenBias& each : request.logit_bias)
    if (auto known = check_id(each.token, text.tokenizer, "logit_bias"); !known)
      return tl::unexpected(known.error());
  out.bias = request.logit_bias;
  for (const TokenId id : *request.allowed_token_ids)
    if (auto known = check_id(id, text.tokenizer, "allowed_token_ids"); !known)
      return tl::unexpected(known.error());
  out.allowed = request.allowed_token_ids;
  auto words = bad_words_of(request, text);
  if (!words) return tl::unexpected(words.error());
  if (!words->empty()) out.bad_words = std::move(*words);
  set_thinking(request, text.tokenizer, out);
  return out;
}

Expected<void> set_logit_rules(const GenerationRequest& request, const Prompt& prompt,
                               const model::OutputFormat& format, const model::TextModel& text,
                               const GenerationRules& rules, NewChoice& choice) {
  Submission& submission = choice.submission;
  LogitRules& out = submission.rules;
  out.min_tokens = request.min_tokens.value_or(std::int32_t(
      std::min<std::int64_t>(text.defaults.min_new_tokens.value_or(0), submission.max_output_tokens)));
  if (auto set = set_grammar(request, prompt, format, text, rules, choice); !set) return set;
  if (out.min_tokens > 0 || out.grammar) {
    out.ends = submission.stop_ids;
    if (out.ends.empty()) out.ends = text.eos_ids;
  }
  return {};
}

}  // namespace troupe::runtime
