#include "runtime/generation/choices.hpp"

#include <random>

namespace troupe::runtime {
namespace {

Expected<std::vector<TokenId>> check_ids(const std::vector<TokenId>& ids, const model::Tokenizer& tokenizer,
                                         const char* field) {
  for (const TokenId id : ids)
    if (id < 0 || id >= tokenizer.vocab_size())
      return refuse("token id " + std::to_string(id) + " is outside the vocabulary of " +
                        std::to_string(tokenizer.vocab_size()),
                    field);
  return ids;
}

// Whose prompt is tokenized, and by what.
struct Context {
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

Expected<std::vector<TokenId>> tokenize(const ChatPrompt& prompt, const Context& context) {
  if (prompt.continue_final_message)
    return refuse("continue_final_message is not supported yet.", "continue_final_message");
  const auto rendered = context.text.render(prompt.messages, prompt.tools, prompt.template_kwargs,
                                            prompt.add_generation_prompt);
  if (!rendered) return tl::unexpected(rendered.error());
  if (auto fits = check_bytes(rendered->text.size(), context, "messages"); !fits)
    return tl::unexpected(fits.error());
  return context.text.tokenizer.encode(rendered->text, rendered->plain);
}

Expected<std::vector<TokenId>> tokenize(const std::string& prompt, const Context& context) {
  if (auto fits = check_bytes(prompt.size(), context, "prompt"); !fits) return tl::unexpected(fits.error());
  return context.text.encode_prompt(prompt);
}

Expected<std::vector<TokenId>> tokenize(const std::vector<TokenId>& prompt, const Context& context) {
  return check_ids(prompt, context.text.tokenizer, "prompt");
}

std::string field_of(const GenerationRequest& request) {
  return std::holds_alternative<ChatPrompt>(request.prompts.front()) ? "messages" : "prompt";
}

// How many tokens a choice may produce.
Expected<std::int32_t> output_limit(const GenerationRequest& request, std::size_t prompt_tokens,
                                    std::int32_t max_model_len) {
  const auto context = "This model's maximum context length is " + std::to_string(max_model_len) + " tokens";
  const auto room = std::int64_t(max_model_len) - std::int64_t(prompt_tokens);
  if (prompt_tokens == 0) return refuse("The prompt is empty.", "prompt");
  if (room < 1)
    return refuse(context + "; the prompt alone has " + std::to_string(prompt_tokens) +
                      ", and at least one must be left for the answer. Shorten the prompt.",
                  field_of(request), "context_length_exceeded");
  if (!request.max_tokens) return std::int32_t(room);
  if (*request.max_tokens > room)
    return refuse(context + "; the prompt has " + std::to_string(prompt_tokens) +
                      " and max_tokens asks for " + std::to_string(*request.max_tokens) +
                      " more. Lower one of the two.",
                  "max_tokens", "context_length_exceeded");
  return *request.max_tokens;
}

SamplingParams sampling(const GenerationRequest& request, const model::GenerationDefaults& defaults,
                        std::uint64_t seed, std::uint32_t choice) {
  SamplingParams params;
  params.temperature = request.temperature.value_or(float(defaults.temperature.value_or(1)));
  params.top_p = request.top_p.value_or(float(defaults.top_p.value_or(1)));
  params.min_p = request.min_p.value_or(float(defaults.min_p.value_or(0)));
  params.top_k = request.top_k.value_or(std::int32_t(defaults.top_k.value_or(0)));
  params.seed = seed;
  params.choice = choice;
  params.logprobs = request.logprobs;
  return params;
}

// Does generation go on behind an opened <think>?
bool ends_in_think(std::span<const TokenId> prompt, const model::Tokenizer& tokenizer) {
  const auto think = tokenizer.id_of_added("<think>");
  if (!think || prompt.empty()) return false;
  if (prompt.back() == *think) return true;
  return prompt.size() > 1 && prompt[prompt.size() - 2] == *think &&
         tokenizer.token_bytes(prompt.back()) == "\n";
}

model::OutputFormat output_format(const Prompt& prompt, std::span<const TokenId> ids,
                                  const Context& context) {
  const model::Tokenizer& tokenizer = context.text.tokenizer;
  const auto* chat = std::get_if<ChatPrompt>(&prompt);
  if (!chat) return {};
  const bool has_calls = tokenizer.id_of_added("<｜tool▁calls▁begin｜>").has_value();
  return {.reasoning = context.rules.parse_reasoning && tokenizer.id_of_added("</think>").has_value(),
          .starts_in_reasoning = ends_in_think(ids, tokenizer),
          .tool_calls =
              context.rules.parse_tool_calls && has_calls && chat->tools.is_array() && !chat->tools.empty()};
}

// What the choices of one prompt have in common.
Submission submission_of(const GenerationRequest& request, const model::TextModel& text,
                         std::vector<TokenId> prompt, std::int32_t output_limit) {
  Submission submission;
  submission.prompt_tokens = std::int32_t(prompt.size());
  submission.tokens = std::move(prompt);
  submission.max_output_tokens = output_limit;
  submission.stop_ids = request.stop_token_ids;
  if (!request.ignore_eos)
    submission.stop_ids.insert(submission.stop_ids.end(), text.eos_ids.begin(), text.eos_ids.end());
  submission.priority = request.priority;
  submission.cache_salt = request.cache_salt;
  return submission;
}

}  // namespace

Expected<std::vector<TokenId>> tokenize(const Prompt& prompt, const model::TextModel& text,
                                        const GenerationRules& rules) {
  return std::visit([&](const auto& each) { return tokenize(each, Context{text, rules}); }, prompt);
}

Expected<std::vector<TokenId>> tokenize_alone(const std::string& prompt, const model::TextModel& text,
                                              const GenerationRules& rules) {
  if (auto fits = check_bytes(prompt.size(), {text, rules}, "prompt"); !fits)
    return tl::unexpected(fits.error());
  return text.tokenizer.encode(prompt);
}

Expected<std::string> detokenize(const std::vector<TokenId>& tokens, const model::TextModel& text) {
  return check_ids(tokens, text.tokenizer, "tokens").map([&](const auto& ids) {
    return text.tokenizer.decode(ids);
  });
}

std::uint64_t draw_seed() {
  std::random_device device;
  return std::uint64_t(device()) << 32 | device();
}

Expected<std::vector<NewChoice>> make_choices(const GenerationRequest& request, const model::TextModel& text,
                                              const GenerationRules& rules, SequenceId first,
                                              std::uint64_t seed) {
  const Context context{text, rules};
  const std::size_t wanted = request.prompts.size() * std::size_t(request.n);
  if (wanted > rules.max_choices)
    return refuse("the request asks for " + std::to_string(wanted) + " choices; this server takes at most " +
                      std::to_string(rules.max_choices) + " at once",
                  "n");
  std::vector<NewChoice> choices;
  for (const Prompt& prompt : request.prompts) {
    auto ids = tokenize(prompt, text, rules);
    if (!ids) return tl::unexpected(ids.error());
    const auto limit = output_limit(request, ids->size(), rules.max_model_len);
    if (!limit) return tl::unexpected(limit.error());
    const auto format = output_format(prompt, *ids, context);
    Submission submission = submission_of(request, text, std::move(*ids), *limit);
    for (std::int32_t i = 0; i < request.n; ++i) {
      submission.sequence = submission.arrival = first + choices.size();
      submission.sampling =
          sampling(request, text.defaults, request.seed.value_or(seed), std::uint32_t(choices.size()));
      choices.push_back(
          {submission,
           {request.stop, request.include_stop_str_in_output, request.skip_special_tokens, format}});
    }
  }
  return choices;
}

}  // namespace troupe::runtime
