#include "actors/request_birth.hpp"

#include <random>

namespace troupe::actors {
namespace {

std::uint64_t draw_seed() {
  std::random_device device;
  return std::uint64_t(device()) << 32 | device();
}

Expected<std::vector<TokenId>> check_ids(const std::vector<TokenId>& ids, const model::Tokenizer& tokenizer) {
  for (const TokenId id : ids)
    if (id < 0 || id >= tokenizer.vocab_size())
      return refuse("token id " + std::to_string(id) + " is outside the vocabulary of " +
                        std::to_string(tokenizer.vocab_size()),
                    "prompt");
  return ids;
}

// A text that would be too long even if all its tokens were the vocabulary's longest is not worth tokenizing.
Expected<void> check_bytes(std::size_t bytes, const RequestContext& context, const char* field) {
  const std::size_t longest = context.text->tokenizer.longest_token_bytes();
  if (bytes <= std::size_t(context.max_model_len) * longest) return {};
  return refuse("This model's maximum context length is " + std::to_string(context.max_model_len) +
                    " tokens; the prompt has more than " + std::to_string((bytes - 1) / longest) +
                    ". Shorten the prompt.",
                field, "context_length_exceeded");
}

Expected<std::vector<TokenId>> tokenize(const ChatPrompt& prompt, const RequestContext& context) {
  if (prompt.continue_final_message)
    return refuse("continue_final_message is not supported yet.", "continue_final_message");
  const auto rendered = context.text->render(prompt.messages, prompt.tools, prompt.template_kwargs,
                                             prompt.add_generation_prompt);
  if (!rendered) return tl::unexpected(rendered.error());
  if (auto fits = check_bytes(rendered->text.size(), context, "messages"); !fits)
    return tl::unexpected(fits.error());
  return context.text->tokenizer.encode(rendered->text, rendered->plain);
}

Expected<std::vector<TokenId>> tokenize(const std::string& prompt, const RequestContext& context) {
  if (auto fits = check_bytes(prompt.size(), context, "prompt"); !fits) return tl::unexpected(fits.error());
  return context.text->encode_prompt(prompt);
}

Expected<std::vector<TokenId>> tokenize(const std::vector<TokenId>& prompt, const RequestContext& context) {
  return check_ids(prompt, context.text->tokenizer);
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

runtime::SamplingParams sampling(const GenerationRequest& request, const model::GenerationDefaults& defaults,
                                 std::uint64_t seed, std::uint32_t choice) {
  runtime::SamplingParams params;
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
                                  const RequestContext& context) {
  const model::Tokenizer& tokenizer = context.text->tokenizer;
  const auto* chat = std::get_if<ChatPrompt>(&prompt);
  if (!chat) return {};
  const bool has_calls = tokenizer.id_of_added("<｜tool▁calls▁begin｜>").has_value();
  return {
      .reasoning = context.parse_reasoning && tokenizer.id_of_added("</think>").has_value(),
      .starts_in_reasoning = ends_in_think(ids, tokenizer),
      .tool_calls = context.parse_tool_calls && has_calls && chat->tools.is_array() && !chat->tools.empty()};
}

}  // namespace

Expected<std::vector<RequestState::Choice>> make_choices(const GenerationRequest& request,
                                                         RequestContext& context) {
  const model::TextModel& text = *context.text;
  const std::uint64_t seed = request.seed ? *request.seed : draw_seed();
  const std::size_t wanted = request.prompts.size() * std::size_t(request.n);
  if (wanted > context.max_choices)
    return refuse("the request asks for " + std::to_string(wanted) + " choices; this server takes at most " +
                      std::to_string(context.max_choices) + " at once",
                  "n");
  std::vector<RequestState::Choice> choices;
  for (const Prompt& prompt : request.prompts) {
    auto ids = std::visit([&](const auto& each) { return tokenize(each, context); }, prompt);
    if (!ids) return tl::unexpected(ids.error());
    const auto limit = output_limit(request, ids->size(), context.max_model_len);
    if (!limit) return tl::unexpected(limit.error());
    const auto format = output_format(prompt, *ids, context);
    for (std::int32_t i = 0; i < request.n; ++i) {
      const auto index = std::uint32_t(choices.size());
      runtime::Submission submission;
      submission.sequence = submission.arrival = context.next_sequence++;
      submission.tokens = *ids;
      submission.prompt_tokens = std::int32_t(ids->size());
      submission.max_output_tokens = *limit;
      submission.sampling = sampling(request, text.defaults, seed, index);
      submission.stop_ids = request.stop_token_ids;
      if (!request.ignore_eos)
        submission.stop_ids.insert(submission.stop_ids.end(), text.eos_ids.begin(), text.eos_ids.end());
      submission.priority = request.priority;
      submission.cache_salt = request.cache_salt;
      choices.push_back({.submission = std::move(submission),
                         .output = {text.tokenizer,
                                    {request.stop, request.include_stop_str_in_output,
                                     request.skip_special_tokens, format}},
                         .pending = {},
                         .last_token = {}});
      choices.back().pending.choice = std::int32_t(index);
    }
  }
  return choices;
}

}  // namespace troupe::actors
