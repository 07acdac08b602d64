#include "actors/edge/ollama/generation_options.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <regex>

#include "actors/edge/generation_fields.hpp"
#include "actors/edge/ollama/answer.hpp"
#include "actors/edge/ollama/model_name.hpp"
#include "actors/edge/structured_output.hpp"

namespace troupe::actors::edge::ollama {
namespace {

void read_sampling(RequestFields& options, runtime::GenerationRequest& out) {
  out.temperature = options.number("temperature", 0, max_temperature);
  out.min_p = options.number("min_p", 0, 1);
  out.top_p = read_top_p(options);
  if (const auto top_k = options.integer("top_k", int32_min, int32_max))
    out.top_k = std::int32_t(std::max<std::int64_t>(0, *top_k));
  const auto seed = options.integer("seed", std::numeric_limits<std::int64_t>::min(),
                                    std::numeric_limits<std::int64_t>::max());
  if (seed && *seed != -1) out.seed = std::uint64_t(*seed);  // -1: any
  out.repetition_penalty = options.positive("repeat_penalty", 1e6);
  out.presence_penalty = options.number("presence_penalty", -2, 2).value_or(0);
  out.frequency_penalty = options.number("frequency_penalty", -2, 2).value_or(0);
}

// How many of the last tokens penalties look at: here it is all of them, whatever the client's window; 0 is none.
void read_penalty_window(RequestFields& options, runtime::GenerationRequest& out) {
  if (options.integer("repeat_last_n", int32_min, int32_max) != 0) return;
  out.repetition_penalty = 1;
  out.presence_penalty = out.frequency_penalty = 0;
}

// Ways of drawing a token, each with the value at which it changes nothing.
void refuse_unsupported(RequestFields& options) {
  static constexpr std::array<std::pair<const char*, int>, 3> ways{
      {{"mirostat", 0}, {"tfs_z", 1}, {"typical_p", 1}}};
  for (const auto& [name, neutral] : ways) options.unsupported_unless(name, neutral);
}

void read_options(RequestFields& fields, const ModelInfo& model, const config::RequestLimits& limits,
                  runtime::GenerationRequest& out) {
  const Json* options = fields.object("options");
  if (!options) return;
  RequestFields inside(*options, "options.");
  read_sampling(inside, out);
  read_penalty_window(inside, out);
  refuse_unsupported(inside);
  out.stop = read_stop_strings(inside, "stop", limits);
  // -1 and -2: up to the context's end, beyond which none asks.
  if (const auto limit = inside.integer("num_predict", int32_min, int32_max); limit && *limit > 0)
    out.max_tokens = std::int32_t(std::min<std::int64_t>(*limit, model.max_model_len));
  static constexpr std::array without_effect{"num_ctx",  "num_batch",  "num_gpu",
                                             "main_gpu", "num_thread", "num_keep"};
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

// Alternatives mean nothing where no log-probabilities are asked for, and are no fault, as in Ollama.
void read_logprobs(RequestFields& fields, const config::RequestLimits& limits,
                   runtime::GenerationRequest& out) {
  const bool wanted = fields.boolean("logprobs", false);
  const auto top = fields.integer("top_logprobs", 0, limits.logprobs);
  if (wanted) out.logprobs = std::int32_t(top.value_or(0));
}

// A duration as Go writes it, "5m", "-1h2.5s", or a number in a text.
bool is_duration(const std::string& text) {
  static const std::regex form("[-+]?([0-9]+|(([0-9]+\\.?[0-9]*|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)");
  constexpr std::size_t longest = 64;  // bytes; beyond, no duration that Go can hold
  return text.size() <= longest && std::regex_match(text, form);
}

// Seconds, or a duration. Returns whether it is no time at all.
bool read_keep_alive(RequestFields& fields) {
  const Json* time = fields.find("keep_alive");
  if (!time) return false;
  if (time->is_number()) return *time == 0;
  if (time->is_string()) {
    const auto& text = time->get_ref<const std::string&>();
    if (!is_duration(text)) fields.invalid("keep_alive", "Expected seconds, or a duration such as \"5m\".");
    return text.find_first_of("123456789") == text.npos;
  }
  fields.wrong_type("keep_alive", "a number or a string");
  return false;
}

}  // namespace

void read_generation_options(RequestFields& fields, const ModelInfo& model,
                             const config::RequestLimits& limits, bool chat, ApiRequest& request) {
  AnswerOptions options{.model = read_model_name(fields, "model", model, limits), .chat = chat};
  read_options(fields, model, limits, request.generation);
  read_format(fields, request.generation);
  read_logprobs(fields, limits, request.generation);
  options.unload = read_keep_alive(fields);
  request.stream = fields.boolean("stream", true);
  request.own_names = {
      {"response_format", "format"}, {"max_tokens", "options.num_predict"}, {"thinking", "think"}};
  request.id_prefix = chat ? "ollama-chat-" : "ollama-";
  request.answer = [options = std::move(options)](const AnswerIdentity& identity) {
    return make_answer(identity, options);
  };
}

void read_think(RequestFields& fields, const ModelInfo& model, runtime::ChatPrompt& prompt) {
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
  if (prompt.thinking.value_or(false) && !model.thinks)
    fields.keep(
        {RefusalKind::invalid, "The model does not support thinking.", "think", "unsupported_parameter"});
}

void refuse_images(RequestFields& fields) {
  const Json* images = fields.find("images");
  if (images && !images->empty()) fields.unsupported("images", "the model reads text only.");
}

}  // namespace troupe::actors::edge::ollama
