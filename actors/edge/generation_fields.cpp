#include "actors/edge/generation_fields.hpp"

#include <algorithm>
#include <limits>

namespace troupe::actors::edge {
namespace {

constexpr std::int64_t int32_max = std::numeric_limits<std::int32_t>::max();

// What would change the answer if it were honoured, with the value at which it changes nothing. JSON null
// stands for fields that have no such value.
void refuse_unsupported(RequestFields& fields) {
  static const std::vector<std::pair<const char*, Json>> unsupported{
      {"presence_penalty", 0},
      {"frequency_penalty", 0},
      {"repetition_penalty", 1},
      {"length_penalty", 1},
      {"logit_bias", Json::object()},
      {"min_tokens", 0},
      {"bad_words", Json::array()},
      {"allowed_token_ids", nullptr},
      {"use_beam_search", false},
      {"prompt_logprobs", nullptr},
      {"truncate_prompt_tokens", nullptr},
      {"logits_processors", nullptr},
      {"guided_json", nullptr},
      {"guided_regex", nullptr},
      {"guided_choice", nullptr},
      {"guided_grammar", nullptr},
      {"structured_outputs", nullptr},
      {"return_token_ids", false},
      {"return_tokens_as_token_ids", false},
  };
  for (const auto& [name, neutral] : unsupported) {
    const Json* value = fields.find(name);
    if (!value || *value == neutral) continue;
    const bool same_type =
        neutral.is_null() || value->type() == neutral.type() || (value->is_number() && neutral.is_number());
    if (!same_type)
      fields.wrong_type(name, neutral.is_number() ? "a number" : type_in_words(neutral));
    else
      fields.unsupported(
          name, neutral.is_null() ? "leave it out." : "leave it out or send " + neutral.dump() + ".");
  }
}

void read_response_format(RequestFields& fields) {
  const Json* format = fields.object("response_format");
  if (!format) return;
  RequestFields inside(*format, "response_format.");
  const auto type = inside.text("type");
  if (inside.refusal()) return fields.keep(*inside.refusal());
  if (type != "text") fields.unsupported("response_format", "only the type 'text' is.");
}

void read_sampling(RequestFields& fields, runtime::GenerationRequest& out) {
  out.temperature = fields.number("temperature", 0, 2);
  out.top_p = fields.number("top_p", 0, 1);
  if (out.top_p && *out.top_p <= 0)
    fields.invalid("top_p", "Expected a value > 0.", "decimal_below_min_value");
  out.min_p = fields.number("min_p", 0, 1);
  if (const auto top_k = fields.integer("top_k", -1, int32_max))
    out.top_k = std::max<std::int32_t>(0, std::int32_t(*top_k));
  const Json* seed = fields.find("seed");
  if (!seed) return;
  if (!seed->is_number_integer()) return fields.wrong_type("seed", "an integer of 64 bits");
  out.seed = seed->get<std::uint64_t>();  // a negative one wraps around, so that each seed is its own
}

void read_length(RequestFields& fields, runtime::GenerationRequest& out) {
  const auto old_name = fields.integer("max_tokens", 1, int32_max);
  const auto new_name = fields.integer("max_completion_tokens", 1, int32_max);
  if (const auto limit = new_name ? new_name : old_name) out.max_tokens = std::int32_t(*limit);
  if (const Json* ids = fields.find("stop_token_ids"))
    out.stop_token_ids = read_token_ids(fields, "stop_token_ids", *ids);
  out.include_stop_str_in_output = fields.boolean("include_stop_str_in_output", false);
  out.ignore_eos = fields.boolean("ignore_eos", false);
}

}  // namespace

void read_generation_fields(RequestFields& fields, const ModelInfo& model,
                            const config::RequestLimits& limits, ApiRequest& request) {
  runtime::GenerationRequest& out = request.generation;
  read_model(fields, model, limits);
  refuse_unsupported(fields);
  read_response_format(fields);
  read_sampling(fields, out);
  out.stop = read_stop_strings(fields, "stop", limits);
  fields.array("stop_token_ids", limits.stop_token_ids);
  read_length(fields, out);
  out.n = std::int32_t(fields.integer("n", 1, limits.n).value_or(1));
  out.skip_special_tokens = fields.boolean("skip_special_tokens", true);
  out.priority = std::int32_t(
      fields.integer("priority", std::numeric_limits<std::int32_t>::min(), int32_max).value_or(0));
  if (const auto salt = fields.text("cache_salt", limits.name_bytes)) {
    if (salt->empty()) fields.invalid("cache_salt", "Expected a string that is not empty.");
    out.cache_salt = *salt;
  }
  const auto best_of = fields.integer("best_of", 1, int32_max);
  if (best_of && *best_of != out.n) fields.unsupported("best_of", "leave it out or send the value of 'n'.");
}

void read_model(RequestFields& fields, const ModelInfo& model, const config::RequestLimits& limits) {
  const auto name = fields.text("model", limits.name_bytes);
  if (!name) return fields.missing("model");
  if (std::ranges::find(model.names, *name) == model.names.end())
    fields.keep({RefusalKind::not_found, "The model '" + *name + "' does not exist; see /v1/models.", "model",
                 "model_not_found"});
}

std::vector<std::string> read_stop_strings(RequestFields& fields, std::string_view name,
                                           const config::RequestLimits& limits) {
  std::vector<std::string> texts;
  const Json* stop = fields.find(name);
  if (!stop) return texts;
  const auto add = [&](const Json& text) {
    if (!text.is_string()) return fields.wrong_type(name, "a string or an array of strings");
    const auto& found = text.get_ref<const std::string&>();
    if (found.empty()) return fields.invalid(name, "A stop string must not be empty.");
    if (found.size() > limits.stop_string_bytes)
      return fields.invalid(
          name, "A stop string has at most " + std::to_string(limits.stop_string_bytes) + " bytes.");
    texts.push_back(found);
  };
  if (!stop->is_array())
    add(*stop);
  else if (fields.array(name, limits.stop_strings))
    for (const Json& each : *stop) add(each);
  return texts;
}

void check_choices(RequestFields& fields, const config::RequestLimits& limits, const ApiRequest& request) {
  if (request.choices() > limits.choices)
    fields.invalid("n", "Prompts times n may be at most " + std::to_string(limits.choices) + ".",
                   "integer_above_max_value");
}

std::vector<TokenId> read_token_ids(RequestFields& fields, std::string_view name, const Json& value) {
  std::vector<TokenId> ids;
  if (!value.is_array()) {
    fields.wrong_type(name, "an array of token ids");
    return ids;
  }
  ids.reserve(value.size());
  for (const Json& each : value) {
    if (!each.is_number_integer()) {
      fields.wrong_type(name, "an array of token ids");
      return {};
    }
    if (!each.is_number_unsigned() || each.get<std::uint64_t>() > std::uint64_t(int32_max)) {
      fields.invalid(name, "A token id is out of range.", "invalid_token_id");
      return {};
    }
    ids.push_back(TokenId(each.get<std::uint64_t>()));
  }
  return ids;
}

}  // namespace troupe::actors::edge
