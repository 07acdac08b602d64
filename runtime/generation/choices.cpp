#include "runtime/generation/choices.hpp"

#include <algorithm>
#include <random>

#include "runtime/generation/logit_rules.hpp"

namespace troupe::runtime {
namespace {

Expected<void> check_ids(std::span<const TokenId> ids, const model::Tokenizer& tokenizer, const char* field) {
  for (const TokenId id : ids)
    if (id < 0 || id >= tokenizer.vocab_size())
      return refuse("token id " + std::to_string(id) + " is outside the vocabulary of " +
                        std::to_string(tokenizer.vocab_size()),
                    field);
  return {};
}

// Whose prompt is tokenized, and by what.
struct Context {
  const GenerationRequest& request;
  const model::TextModel& text;
  const GenerationRules& rules;
};

// A text that would be too long even if all its tokens were the vocabulary's longest is not worth tokenizing.
Expected<void> check_bytes(std::size_t bytes, const Context& context, const char* field) {
  const std::size_t longest = context.text.tokenizer.longest_token_bytes();
  if (bytes <= std::size_t(context.rules.max_model_len) * longest) return {};
  return refuse("This model's maximum context length is " + std::to_string(context.rules.max_model_len) +
                    " tokens; the prompt has more than " + std::to_string((bytes - 1) / longest) +
                    ". Shorten the prompt.",
                field, "context_length_exceeded");
}

// The tools that the template shows: those that may not be called, where it can. Its null is what templates take for
// none.
const nlohmann::ordered_json& shown_tools(const ChatPrompt& prompt, const Context& context) {
  static const nlohmann::ordered_json none;
  const bool may_show = context.rules.show_unused_tools && context.text.takes_tools;
  return prompt.parse_tool_calls || may_show ? prompt.tools : none;
}

// The variables that say how much the model is to think and to write, by the names that templates have for them.
Expected<nlohmann::ordered_json> template_variables(const ChatPrompt& prompt, const Context& context) {
  nlohmann::ordered_json variables = prompt.template_kwargs;
  const auto& tools = shown_tools(prompt, context);
  const bool has_tools = tools.is_array() && !tools.empty();
  const model::LoadedTemplate* chosen = context.text.template_for(has_tools);
  if (!chosen) return variables;
  const auto set = [&](const char* name, const auto& value) {
    const bool known = chosen->source.mentions(name);
    if (known && !variables.contains(name)) variables[name] = value;
    return known;
  };
  if (!prompt.reasoning_effort.empty()) set("reasoning_effort", prompt.reasoning_effort);
  if (!prompt.verbosity.empty()) set("verbosity", prompt.verbosity);
  if (!prompt.thinking) return variables;
  const bool switches = set("enable_thinking", *prompt.thinking) | set("thinking", *prompt.thinking);
  const bool thinks = context.text.tokenizer.id_of_added(model::OutputParser::end_thoughts).has_value();
  if (thinks && !switches && !*prompt.thinking)
    return refuse("This model's chat template has no switch that keeps it from thinking.", "thinking",
                  "unsupported_parameter");
  return variables;
}

Expected<model::RenderedPrompt> render(const ChatPrompt& prompt, const Context& context) {
  const auto messages = with_system_prompt(context.rules.system_prompt, prompt.messages);
  if (!messages) return tl::unexpected(messages.error());
  const auto variables = template_variables(prompt, context);
  if (!variables) return tl::unexpected(variables.error());
  const auto& tools = shown_tools(prompt, context);
  if (prompt.continue_final_message) return context.text.render_open(*messages, tools, *variables);
  return context.text.render(*messages, tools, *variables, prompt.add_generation_prompt);
}

Expected<std::vector<TokenId>> tokenize(const ChatPrompt& prompt, const Context& context) {
  const auto rendered = render(prompt, context);
  if (!rendered) return tl::unexpected(rendered.error());
  if (auto fits = check_bytes(rendered->text.size(), context, "messages"); !fits)
    return tl::unexpected(fits.error());
  auto ids = context.text.tokenizer.encode(rendered->text, rendered->plain);
  const auto leading = context.text.leading_token;
  if (ids && leading && context.request.add_special_tokens.value_or(false))
    ids->insert(ids->begin(), *leading);
  return ids;
}

Expected<std::vector<TokenId>> tokenize(const std::string& prompt, const Context& context) {
  if (auto fits = check_bytes(prompt.size(), context, "prompt"); !fits) return tl::unexpected(fits.error());
  return context.text.encode_prompt(prompt, context.request.add_special_tokens.value_or(true));
}

Expected<std::vector<TokenId>> tokenize(const std::vector<TokenId>& prompt, const Context& context) {
  if (auto known = check_ids(prompt, context.text.tokenizer, "prompt"); !known)
    return tl::unexpected(known.error());
  return prompt;
}

// truncate_prompt_tokens.
void truncate(std::vector<TokenId>& prompt, const Context& context) {
  const GenerationRequest& request = context.request;
  if (!request.truncate_prompt_tokens) return;
  const std::int32_t output =
      std::max(1, request.max_tokens.value_or(request.default_max_tokens.value_or(1)));
  const std::int64_t kept = *request.truncate_prompt_tokens >= 0
                                ? *request.truncate_prompt_tokens
                                : std::max(1, context.rules.max_model_len - output);
  if (std::ssize(prompt) > kept) prompt.erase(prompt.begin(), prompt.end() - kept);
}

Expected<std::vector<TokenId>> tokenize(const Prompt& prompt, const Context& context) {
  auto ids = std::visit([&](const auto& each) { return tokenize(each, context); }, prompt);
  if (ids) truncate(*ids, context);
  return ids;
}

std::string field_of(const GenerationRequest& request) {
  return std::holds_alternative<ChatPrompt>(request.prompts.front()) ? "messages" : "prompt";
}

// How many tokens a choice may produce: what was asked for, as far as it fits.
Expected<std::int32_t> output_limit(const Context& context, std::size_t prompt_tokens) {
  const GenerationRequest& request = context.request;
  const std::int32_t most = context.rules.max_model_len;
  const auto length = "This model's maximum context length is " + std::to_string(most) + " tokens";
  const auto room = std::int64_t(most) - std::int64_t(prompt_tokens);
  if (prompt_tokens == 0) return refuse("The prompt is empty.", "prompt");
  if (room < 1)
    return refuse(length + "; the prompt alone has " + std::to_string(prompt_tokens) +
                      ", and at least one must be left for the answer. Shorten the prompt.",
                  field_of(request), "context_length_exceeded");
  if (request.max_tokens && *request.max_tokens > most)
    return refuse(length + ", and max_tokens asks for " + std::to_string(*request.max_tokens) + ". Lower it.",
                  "max_tokens", "context_length_exceeded");
  std::int64_t wanted =
      request.max_tokens
          ? std::max(1, *request.max_tokens)
          : context.text.defaults.max_new_tokens.value_or(request.default_max_tokens.value_or(most));
  if (request.most_tokens) wanted = std::min<std::int64_t>(wanted, *request.most_tokens);
  if (request.min_tokens.value_or(0) > wanted)
    return refuse("min_tokens is " + std::to_string(*request.min_tokens) + ", and at most " +
                      std::to_string(wanted) + " are generated.",
                  "min_tokens");
  return std::int32_t(std::min(wanted, room));
}

SamplingParams sampling(const Context& context, std::uint64_t seed, std::uint32_t choice) {
  const GenerationRequest& request = context.request;
  const model::GenerationDefaults& defaults = context.text.defaults;
  SamplingParams params;
  params.temperature = request.temperature.value_or(float(defaults.temperature.value_or(1)));
  params.top_p = request.top_p.value_or(float(defaults.top_p.value_or(1)));
  params.min_p = request.min_p.value_or(float(defaults.min_p.value_or(0)));
  params.top_k = request.top_k.value_or(std::int32_t(defaults.top_k.value_or(0)));
  params.seed = seed;
  params.choice = choice;
  params.logprobs = request.logprobs;
  const bool echoes = request.echo && request.echo_logprobs;
  params.prompt_logprobs = std::max(request.prompt_logprobs, echoes ? request.logprobs : -1);
  return params;
}

// Does generation go on behind an opened <think>?
bool ends_in_think(std::span<const TokenId> prompt, const model::Tokenizer& tokenizer) {
  const auto think = tokenizer.id_of_added(model::OutputParser::begin_thoughts),
             end_think = tokenizer.id_of_added(model::OutputParser::end_thoughts);
  const auto last = std::find_if(prompt.rbegin(), prompt.rend(),
                                 [&](TokenId token) { return token == think || token == end_think; });
  return last != prompt.rend() && *last == think;
}

model::OutputFormat output_format(const Prompt& prompt, std::span<const TokenId> ids,
                                  const Context& context) {
  const model::Tokenizer& tokenizer = context.text.tokenizer;
  const auto* chat = std::get_if<ChatPrompt>(&prompt);
  if (!chat) return {};
  // A call that must come is written in a form that is known, whatever the operator says of others.
  const bool parses_calls = chat->must_call() || (context.rules.parse_tool_calls && chat->parse_tool_calls &&
                                                  context.text.calls_tools());
  return {.reasoning = context.rules.parse_reasoning &&
                       tokenizer.id_of_added(model::OutputParser::end_thoughts).has_value(),
          .starts_in_reasoning = ends_in_think(ids, tokenizer),
          .tool_calls = parses_calls && chat->tools.is_array() && !chat->tools.empty(),
          .one_call = !chat->parallel_tool_calls,
          .syntax = context.text.call_syntax()};
}

// What the choices of one prompt have in common.
Submission submission_of(const Context& context, std::vector<TokenId> prompt, std::int32_t output_limit) {
  const GenerationRequest& request = context.request;
  const std::vector<TokenId>& eos_ids = context.text.eos_ids;
  Submission submission;
  submission.prompt_tokens = std::int32_t(prompt.size());
  submission.tokens = std::move(prompt);
  submission.max_output_tokens = output_limit;
  submission.stop_ids = request.stop_token_ids;
  if (!request.ignore_eos)
    submission.stop_ids.insert(submission.stop_ids.end(), eos_ids.begin(), eos_ids.end());
  submission.priority = request.priority;
  submission.cache_salt = request.cache_salt;
  submission.caller = request.caller_number();
  submission.slo = request.slo;
  return submission;
}

}  // namespace

Expected<std::vector<TokenId>> tokenize(const GenerationRequest& request, const model::TextModel& text,
                                        const GenerationRules& rules) {
  return tokenize(request.prompts.front(), {request, text, rules});
}

Expected<std::string> detokenize(const std::vector<TokenId>& tokens, const model::TextModel& text) {
  return check_ids(tokens, text.tokenizer, "tokens").map([&] { return text.tokenizer.decode(tokens); });
}

std::uint64_t draw_seed() {
  std::random_device device;
  return std::uint64_t(device()) << 32 | device();
}

Expected<std::vector<NewChoice>> make_choices(const GenerationRequest& request, const model::TextModel& text,
                                              const GenerationRules& rules, SequenceId first,
                                              std::uint64_t seed) {
  const Context context{request, text, rules};
  const std::size_t wanted = request.prompts.size() * std::size_t(request.n);
  if (wanted > rules.max_choices)
    return refuse("the request asks for " + std::to_string(wanted) + " choices; this server takes at most " +
                      std::to_string(rules.max_choices) + " at once",
                  "n");
  const auto common = common_logit_rules(request, text);
  if (!common) return tl::unexpected(common.error());
  std::vector<NewChoice> choices;
  for (const Prompt& prompt : request.prompts) {
    auto ids = tokenize(prompt, context);
    if (!ids) return tl::unexpected(ids.error());
    const auto limit = output_limit(context, ids->size());
    if (!limit) return tl::unexpected(limit.error());
    const auto format = output_format(prompt, *ids, context);
    NewChoice choice{submission_of(context, std::move(*ids), *limit),
                     {.stop = request.stop,
                      .include_stop = request.include_stop_str_in_output,
                      .skip_special_tokens = request.skip_special_tokens,
                      .format = format,
                      .repetition = rules.repetition,
                      .filter = request.filter}};
    choice.submission.rules = *common;
    if (auto ruled = set_logit_rules(request, prompt, format, text, rules, choice); !ruled)
      return tl::unexpected(ruled.error());
    choice.output.min_tokens = choice.submission.rules.min_tokens;
    for (std::int32_t i = 0; i < request.n; ++i) {
      Submission& submission = choice.submission;
      submission.sequence = submission.arrival = first + choices.size();
      submission.sampling = sampling(context, request.seed.value_or(seed), std::uint32_t(choices.size()));
      // Of a chat they are told once.
      if (i > 0 && std::holds_alternative<ChatPrompt>(prompt)) submission.sampling.prompt_logprobs = -1;
      choices.push_back(choice);
    }
  }
  return choices;
}

bool grammars_at_hand(const std::vector<NewChoice>& choices, model::GrammarCache& grammars) {
  return std::ranges::all_of(choices, [&](const NewChoice& choice) {
    const GrammarId id = choice.submission.rules.grammar;
    return !id || grammars.find(id);
  });
}

Expected<void> compile_grammars(const std::vector<NewChoice>& choices, model::GrammarCache& grammars,
                                TimePoint deadline) {
  GrammarId last{};  // the choices of a prompt have one
  for (const NewChoice& choice : choices) {
    const Submission& submission = choice.submission;
    if (!submission.rules.grammar ||
        std::exchange(last, submission.rules.grammar) == submission.rules.grammar)
      continue;
    const auto compiled = grammars.get(submission.grammar, deadline);
    if (compiled) continue;
    Refusal why = compiled.error();
    if (why.param.empty()) why.param = choice.grammar_field;
    return tl::unexpected(why);
  }
  return {};
}

}  // namespace troupe::runtime
