
#include "actors/edge/generation_fields.hpp"
#include "actors/edge/structured_output.hpp"
#include "actors/edge/tgi/endpoints.hpp"
#include "actors/edge/tgi/generate_answer.hpp"

namespace troupe::actors::edge::tgi {
namespace {

constexpr std::int32_t default_max_new_tokens = 100;  // TGI's

// TGI samples if it is told to, or how to; else it takes the most likely token. The checkpoint's defaults have no say.
void read_sampling(RequestFields& fields, runtime::GenerationRequest& out) {
  const auto temperature = fields.number("temperature", 0, max_temperature),
             top_p = fields.positive("top_p", 1);
  const auto top_k = fields.integer("top_k", 0, int32_max);
  const bool told_how = temperature.value_or(1) != 1 || top_p.value_or(1) < 1 || top_k.value_or(0) > 0;
  const bool samples = fields.boolean("do_sample", false) || told_how;
  out.temperature = samples ? temperature.value_or(1) : 0;
  out.top_p = top_p.value_or(1);
  out.top_k = std::int32_t(top_k.value_or(0));
  out.min_p = 0;
  out.repetition_penalty = fields.positive("repetition_penalty", 1e6).value_or(1);
  out.frequency_penalty = fields.number("frequency_penalty", -2, 2).value_or(0);
  out.seed = read_seed(fields, false);
}

void read_lengths(RequestFields& fields, runtime::GenerationRequest& out) {
  out.max_tokens =
      std::int32_t(fields.integer("max_new_tokens", 1, int32_max).value_or(default_max_new_tokens));
  if (const auto kept = fields.integer("truncate", 1, int32_max))
    out.truncate_prompt_tokens = std::int32_t(*kept);
}

// {"type": "json" | "regex", "value"}, or {"type": "json_schema", "value": {"schema"}}.
void read_grammar(RequestFields& fields, runtime::GenerationRequest& out) {
  const Json* grammar = fields.object("grammar");
  if (!grammar) return;
  RequestFields inside(*grammar, fields.param("grammar") + ".");
  const auto type = inside.text("type");
  if (!type) inside.missing("type");
  if (type == "json") {
    out.grammar = read_schema(inside, "value");
  } else if (type == "regex") {
    if (const auto text = inside.text("value"))
      out.grammar = GrammarSpec{.kind = GrammarSpec::Kind::regex, .text = *text};
  } else if (type == "json_schema") {
    if (const Json* named = inside.object("value")) {
      RequestFields schema(*named, inside.param("value") + ".");
      out.grammar = read_schema(schema, "schema");
      if (!out.grammar) schema.missing("schema");
      if (schema.refusal()) inside.keep(*schema.refusal());
    }
  } else if (type) {
    inside.invalid("type", "Expected 'json', 'regex' or 'json_schema'.");
  }
  if (!out.grammar) inside.missing("value");
  if (inside.refusal()) fields.keep(*inside.refusal());
}

void refuse_unsupported(RequestFields& fields) {
  fields.unsupported_unless("best_of", 1);
  fields.unsupported_unless("typical_p", 1);
  fields.unsupported_unless("watermark", false);
  fields.unsupported_unless("adapter_id", nullptr);
}

GenerateOptions read_options(RequestFields& fields, const config::RequestLimits& limits, bool stream,
                             runtime::GenerationRequest& out) {
  GenerateOptions options;
  options.details = fields.boolean("details", false);
  options.prefill = fields.boolean("decoder_input_details", false);
  if (options.prefill && stream)
    fields.invalid("decoder_input_details", "It is not supported when tokens are streamed.");
  options.details = options.details || options.prefill;
  if (options.prefill) out.prompt_logprobs = 0;
  const auto top = fields.integer("top_n_tokens", 0, limits.logprobs).value_or(0);
  options.top_tokens = top > 0;
  out.logprobs = std::int32_t(top);  // at least the token's own, which each event tells
  if (fields.boolean("return_full_text", false)) options.before = std::get<std::string>(out.prompts.front());
  options.seed = out.seed;
  return options;
}

Expected<ApiRequest> parse(const Json& body, bool stream, bool in_array,
                           const config::RequestLimits& limits) {
  static const Json none = Json::object();
  ApiRequest request;
  runtime::GenerationRequest& out = request.generation;
  RequestFields fields(body);
  const auto inputs = fields.text("inputs");
  if (!inputs) fields.missing("inputs");
  out.prompts = {inputs.value_or("")};
  const Json* given = fields.object("parameters");
  RequestFields parameters(given ? *given : none, "parameters.");
  refuse_unsupported(parameters);
  read_sampling(parameters, out);
  parameters.array("stop", limits.stop_strings);
  out.stop = read_stop_strings(parameters, "stop", limits);
  out.include_stop_str_in_output = true;
  read_lengths(parameters, out);
  read_grammar(parameters, out);
  GenerateOptions options = read_options(parameters, limits, stream, out);
  options.in_array = in_array;
  if (parameters.refusal()) fields.keep(*parameters.refusal());
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  request.own_names = {{"max_tokens", "parameters.max_new_tokens"},
                       {"response_format", "parameters.grammar"},
                       {"prompt", "inputs"}};
  request.id_prefix = "tgi-";
  request.stream = stream;
  request.answer = [options](AnswerIdentity) { return make_generate_answer(options); };
  return request;
}

}  // namespace

Expected<ApiRequest> parse_generate(const Json& body, const ModelInfo&, const config::RequestLimits& limits) {
  return parse(body, false, false, limits);
}

Expected<ApiRequest> parse_generate_stream(const Json& body, const ModelInfo&,
                                           const config::RequestLimits& limits) {
  return parse(body, true, false, limits);
}

Expected<ApiRequest> parse_either(const Json& body, const ModelInfo&, const config::RequestLimits& limits) {
  RequestFields fields(body);
  const bool stream = fields.boolean("stream", false);
  if (fields.refusal()) return tl::unexpected(*fields.refusal());
  return parse(body, stream, !stream, limits);
}

}  // namespace troupe::actors::edge::tgi
