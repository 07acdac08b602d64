#include "actors/edge/ollama/generation_options.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "actors/edge/generation_fields.hpp"
#include "actors/edge/ollama/answer.hpp"
#include "actors/edge/ollama/model_name.hpp"
#include "actors/edge/structured_output.hpp"

namespace troupe::actors::edge::ollama {
namespace {

constexpr std::int64_t int32_min = std::numeric_limits<std::int32_t>::min();
constexpr std::int64_t int32_max = std::numeric_limits<std::int32_t>::max();
constexpr double hottest = 100;  // temperature, beyond which all tokens are alike

void read_sampling(RequestFields& options, runtime::GenerationRequest& out) {
  out.temperature = options.number("temperature", 0, hottest);
  out.min_p = options.number("min_p", 0, 1);
  // 0 is the one most likely token.
  if (const auto top_p = options.number("top_p", 0, 1))
    out.top_p = std::max(*top_p, std::numeric_limits<float>::min());
  if (const auto top_k = options.integer("top_k", int32_min, int32_max))
    out.top_k = std::int32_t(std::max<std::int64_t>(0, *top_k));
  const auto seed = options.integer("seed", std::numeric_limits<std::int64_t>::min(),
                                    std::numeric_limits<std::int64_t>::max());
  if (seed && *seed != -1) out.seed = std::uint64_t(*seed);  // -1: any
  out.repetition_penalty = options.number("repeat_penalty", 0, 1e6);
  if (out.repetition_penalty && *out.repetition_penalty <= 0)
    options.invalid("repeat_penalty", "Expected a value > 0.", "decimal_below_min_value");
  out.presence_penalty = options.number("presence_penalty", -2, 2).value_or(0);
  out.frequency_penalty = options.number("frequency_penalty", -2, 2).value_or(0);
}

void read_options(RequestFields& fields, const config::RequestLimits& limits,
                  runtime::GenerationRequest& out) {
  const Json* options = fields.object("options");
  if (!options) return;
  RequestFields inside(*options, "options.");
  read_sampling(inside, out);
  out.stop = read_stop_strings(inside, "stop", limits);
  // -1 and -2: up to the context's end.
  if (const auto limit = inside.integer("num_predict", int32_min, int32_max); limit && *limit > 0)
    out.max_tokens = std::int32_t(*limit);
  static constexpr std::array without_effect{"num_ctx",    "num_batch", "num_gpu",      "main_gpu",
                                             "num_thread", "num_keep",  "repeat_last_n"};
  for (const char* name : without_effect) inside.integer(name, int32_min, int32_max);
  if (inside.refusal()) fields.keep(*inside.refusal());
}

// "json", or a schema.
void read_format(RequestFields& fields, runtime::GenerationRequest& out) {
  const Json* format = fields.find("format");
  if (!format || *format == "") return;
  if (*format == "json")
    out.grammar = GrammarSpec{.kind = GrammarSpec::Kind::json_object};
  else if (format->is_object())
    out.grammar = read_schema(fields, "format");
  else
    fields.invalid("format", "Expected 'json' or a JSON schema.");
}

void check_keep_alive(RequestFields& fields) {
  const Json* time = fields.find("keep_alive");
  if (time && !time->is_number() && !time->is_string())
    fields.wrong_type("keep_alive", "a number or a string");
}

}  // namespace

void read_generation_options(RequestFields& fields, const ModelInfo& model,
                             const config::RequestLimits& limits, bool chat, ApiRequest& request) {
  AnswerOptions options{.model = read_model_name(fields, "model", model, limits), .chat = chat};
  read_options(fields, limits, request.generation);
  read_format(fields, request.generation);
  check_keep_alive(fields);
  request.stream = fields.boolean("stream", true);
  request.id_prefix = chat ? "ollama-chat-" : "ollama-";
  request.answer = [options = std::move(options)](const AnswerIdentity& identity) {
    return make_answer(identity, options);
  };
}

void read_think(RequestFields& fields, runtime::ChatPrompt& prompt) {
  const Json* think = fields.find("think");
  if (!think) return;
  if (think->is_boolean()) {
    prompt.thinking = think->get<bool>();
  } else if (*think == "low" || *think == "medium" || *think == "high") {
    prompt.thinking = true;
    prompt.reasoning_effort = think->get<std::string>();
  } else {
    fields.invalid("think", "Expected true, false, 'low', 'medium' or 'high'.");
  }
}

void refuse_images(RequestFields& fields) {
  const Json* images = fields.find("images");
  if (images && !images->empty()) fields.unsupported("images", "the model reads text only.");
}

}  // namespace troupe::actors::edge::ollama
