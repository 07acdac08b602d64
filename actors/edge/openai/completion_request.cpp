#include <algorithm>

#include "actors/edge/generation_fields.hpp"
#include "actors/edge/openai/answer_fields.hpp"
#include "actors/edge/openai/endpoints.hpp"

namespace troupe::actors::edge::openai {
namespace {

constexpr std::int32_t default_max_tokens = 16;  // OpenAI's, of this endpoint alone

// A text, token ids, or an array of either.
void read_prompts(RequestFields& fields, const config::RequestLimits& limits,
                  std::vector<runtime::Prompt>& prompts) {
  const auto add_ids = [&](const Json& ids) {
    prompts.emplace_back(read_token_ids(fields, "prompt", ids));
    if (ids.empty()) fields.invalid("prompt", "A prompt needs at least one token.", "empty_array");
  };
  const Json* prompt = fields.find("prompt");
  if (!prompt) return fields.missing("prompt");
  if (prompt->is_string()) {
    prompts.emplace_back(prompt->get<std::string>());
    return;
  }
  if (!prompt->is_array()) return fields.wrong_type("prompt", "a string or an array");
  if (prompt->empty() || prompt->front().is_number()) return add_ids(*prompt);
  if (!fields.array("prompt", limits.choices)) return;
  for (const Json& each : *prompt) {
    if (each.type() != prompt->front().type() || !(each.is_string() || each.is_array()))
      return fields.wrong_type("prompt", "an array of strings, of token ids, or of arrays of token ids");
    if (each.is_string())
      prompts.emplace_back(each.get<std::string>());
    else
      add_ids(each);
  }
}

// How many choices are made, of which the best n are shown.
void read_best_of(RequestFields& fields, const config::RequestLimits& limits,
                  runtime::GenerationRequest& out) {
  const std::int32_t made = std::int32_t(fields.integer("best_of", 1, limits.n).value_or(out.n));
  if (made < out.n) fields.invalid("best_of", "It must be at least 'n'.", "integer_below_min_value");
  out.n = std::max(out.n, made);
}

// Of more choices than are shown, the best are: those whose tokens are the most likely on the average.
void choose_best(RequestFields& fields, std::int32_t shown, ApiRequest& request, AnswerOptions& options) {
  if (request.stream) return fields.invalid("best_of", "A stream cannot choose among its choices; send 'n'.");
  options.best_of = request.generation.n;
  options.shown = shown;
  options.hide_logprobs = request.generation.logprobs < 0;
  request.generation.echo_logprobs = !options.hide_logprobs;
  request.generation.logprobs = std::max(request.generation.logprobs, 0);
}

}  // namespace

Expected<ApiRequest> parse_completion_request(const Json& body, const ModelInfo& model,
                                              const config::RequestLimits& limits) {
  ApiRequest request;
  RequestFields fields(body);
  read_generation_fields(fields, model, limits, 0, request);
  runtime::GenerationRequest& out = request.generation;
  out.default_max_tokens = default_max_tokens;
  read_prompts(fields, limits, out.prompts);
  const std::int32_t shown = out.n;
  read_best_of(fields, limits, out);
  check_choices(fields, limits, request);
  out.echo = fields.boolean("echo", false);
  out.logprobs = std::int32_t(fields.integer("logprobs", 0, limits.logprobs).value_or(-1));
  if (const auto suffix = fields.text("suffix"); suffix && !suffix->empty())
    fields.unsupported("suffix", "the model does not fill in the middle.");
  AnswerOptions options = read_answer_fields(fields, limits, request);
  if (shown < out.n) choose_best(fields, shown, request, options);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  request.id_prefix = "cmpl-";
  request.answer = [options](AnswerIdentity identity) {
    return make_completion_answer(std::move(identity), options);
  };
  return request;
}

}  // namespace troupe::actors::edge::openai
