#include "actors/edge/generation_fields.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "actors/edge/named_model.hpp"
#include "actors/edge/structured_output.hpp"

namespace troupe::actors::edge {
namespace {

// What would change the answer if it were honoured, with the value at which it changes nothing.
void refuse_unsupported(RequestFields& fields) {
  static const std::vector<std::pair<const char*, Json>> unsupported{
      {"length_penalty", 1},
      {"use_beam_search", false},
      {"logits_processors", nullptr},
      {"prompt_embeds", nullptr},
      {"repetition_detection", nullptr},
      // SGLang's.
      {"stop_regex", nullptr},
      {"no_stop_trim", false},
      {"separate_reasoning", true},
      {"stream_reasoning", true},
      {"custom_logit_processor", nullptr},
      {"lora_path", nullptr},
      {"return_hidden_states", false},
  };
  for (const auto& [name, neutral] : unsupported) fields.unsupported_unless(name, neutral);
}

void read_penalties(RequestFields& fields, runtime::GenerationRequest& out) {
  out.presence_penalty = fields.number("presence_penalty", -2, 2).value_or(0);
  out.frequency_penalty = fields.number("frequency_penalty", -2, 2).value_or(0);
  out.repetition_penalty = fields.positive("repetition_penalty", 1e6);
}

// {"token id": bias}. As vLLM, biases beyond 100 are 100.
void read_logit_bias(RequestFields& fields, const config::RequestLimits& limits,
                     runtime::GenerationRequest& out) {
  const Json* biases = fields.object("logit_bias");
  if (!biases) return;
  if (biases->size() > limits.logit_biases)
    return fields.invalid("logit_bias",
                          "Expected at most " + std::to_string(limits.logit_biases) + " tokens.");
  for (const auto& [key, value] : biases->items()) {
    TokenId token = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
    if (error != std::errc() || end != key.data() + key.size() || token < 0)
      return fields.invalid("logit_bias", "Its keys are token ids.", "invalid_token_id");
    if (!value.is_number()) return fields.wrong_type("logit_bias", "an object of numbers by token id");
    if (std::ranges::find(out.logit_bias, token, &TokenBias::token) != out.logit_bias.end())
      return fields.invalid("logit_bias", "A token is there twice.", "invalid_token_id");
    out.logit_bias.push_back({token, std::clamp(value.get<float>(), -100.0f, 100.0f)});
  }
}

void read_bad_words(RequestFields& fields, const config::RequestLimits& limits,
                    runtime::GenerationRequest& out) {
  const Json* words = fields.array("bad_words", limits.stop_token_ids);
  if (!words) return;
  for (const Json& each : *words) {
    if (!each.is_string()) return fields.wrong_type("bad_words", "an array of strings");
    if (each.get_ref<const std::string&>().empty())
      return fields.invalid("bad_words", "A word must not be empty.");
    if (each.get_ref<const std::string&>().size() > limits.stop_string_bytes)
      return fields.invalid("bad_words",
                            "A word has at most " + std::to_string(limits.stop_string_bytes) + " bytes.");
    out.bad_words.push_back(each.get<std::string>());
  }
}

void read_allowed_tokens(RequestFields& fields, const config::RequestLimits& limits,
                         runtime::GenerationRequest& out) {
  const Json* given = fields.array("allowed_token_ids", limits.allowed_token_ids);
  if (!given) return;
  if (given->empty()) fields.invalid("allowed_token_ids", "Expected at least one token.", "empty_array");
  std::vector<TokenId> ids = read_token_ids(fields, "allowed_token_ids", *given);
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  out.allowed_token_ids = std::move(ids);
}

void read_prompt_fields(RequestFields& fields, const config::RequestLimits& limits,
                        runtime::GenerationRequest& out) {
  out.prompt_logprobs = std::int32_t(fields.integer("prompt_logprobs", 0, limits.logprobs).value_or(-1));
  if (const auto kept = fields.integer("truncate_prompt_tokens", -1, int32_max)) {
    if (*kept == 0) fields.invalid("truncate_prompt_tokens", "Expected -1 or a value > 0.");
    out.truncate_prompt_tokens = std::int32_t(*kept);
  }
  if (fields.find("add_special_tokens")) out.add_special_tokens = fields.boolean("add_special_tokens", true);
  out.return_prompt_ids = fields.boolean("return_token_ids", false);
}

void read_sampling(RequestFields& fields, runtime::GenerationRequest& out) {
  out.temperature = fields.number("temperature", 0, max_temperature);
  out.top_p = read_top_p(fields);
  out.min_p = fields.number("min_p", 0, 1);
  if (const auto top_k = fields.integer("top_k", -1, int32_max))
    out.top_k = std::max<std::int32_t>(0, std::int32_t(*top_k));
  out.seed = read_seed(fields);
}

void read_length(RequestFields& fields, const config::RequestLimits& limits, std::int64_t fewest,
                 ApiRequest& request) {
  runtime::GenerationRequest& out = request.generation;
  const auto old_name = fields.integer("max_tokens", fewest, int32_max);
  const auto new_name = fields.integer("max_completion_tokens", fewest, int32_max);
  if (const auto limit = new_name ? new_name : old_name) out.max_tokens = std::int32_t(*limit);
  if (new_name) request.own_names.push_back({"max_tokens", "max_completion_tokens"});
  if (const Json* ids = fields.array("stop_token_ids", limits.stop_token_ids))
    out.stop_token_ids = read_token_ids(fields, "stop_token_ids", *ids);
  if (const auto least = fields.integer("min_tokens", 0, int32_max)) out.min_tokens = std::int32_t(*least);
  if (const auto budget = fields.integer("thinking_token_budget", 0, int32_max))
    out.thinking_token_budget = std::int32_t(*budget);
  out.include_stop_str_in_output = fields.boolean("include_stop_str_in_output", false);
  out.ignore_eos = fields.boolean("ignore_eos", false);
}

}  // namespace

void read_generation_fields(RequestFields& fields, const ModelInfo& model,
                            const config::RequestLimits& limits, std::int64_t fewest_tokens,
                            ApiRequest& request) {
  runtime::GenerationRequest& out = request.generation;
  read_model(fields, model, limits);
  refuse_unsupported(fields);
  if (auto structured = read_structured_output(fields)) {
    out.grammar = std::move(structured->grammar);
    request.own_names.push_back({"response_format", std::move(structured->field)});
  }
  read_sampling(fields, out);
  read_penalties(fields, out);
  read_logit_bias(fields, limits, out);
  read_bad_words(fields, limits, out);
  read_allowed_tokens(fields, limits, out);
  read_prompt_fields(fields, limits, out);
  out.stop = read_stop_strings(fields, "stop", limits);
  read_length(fields, limits, fewest_tokens, request);
  out.n = std::int32_t(fields.integer("n", 1, limits.n).value_or(1));
  out.skip_special_tokens = fields.boolean("skip_special_tokens", true);
  out.priority = std::int32_t(fields.integer("priority", int32_min, int32_max).value_or(0));
  const auto slo = [&](std::string_view name) {
    return std::int32_t(fields.integer(name, 1, int32_max).value_or(0));
  };
  out.slo = {slo("ttft_slo_ms"), slo("tpot_slo_ms"), slo("latency_slo_ms")};
  if (const auto salt = fields.text("cache_salt", limits.name_bytes)) {
    if (salt->empty()) fields.invalid("cache_salt", "Expected a string that is not empty.");
    out.cache_salt = *salt;
  }
}

void read_model(RequestFields& fields, const ModelInfo& model, const config::RequestLimits& limits) {
  if (!fields.text("model", limits.name_bytes)) fields.missing("model");
  check_named_model(fields, model, limits);
}

std::optional<float> read_top_p(RequestFields& fields) {
  const auto top_p = fields.number("top_p", 0, 1);
  if (!top_p) return std::nullopt;
  return std::max(*top_p, std::numeric_limits<float>::min());
}

std::optional<std::uint64_t> read_seed(RequestFields& fields, bool may_be_negative) {
  const Json* given = fields.find("seed");
  if (!given) return std::nullopt;
  const Json seed = integer_of(*given);
  if (seed.is_null()) {
    fields.wrong_type("seed", "an integer of 64 bits");
    return std::nullopt;
  }
  if (!may_be_negative && !seed.is_number_unsigned())
    fields.invalid("seed", "Expected a value >= 0.", "integer_below_min_value");
  return seed.get<std::uint64_t>();
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
    const Json id = integer_of(each);
    if (id.is_null()) {
      fields.wrong_type(name, "an array of token ids");
      return {};
    }
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > std::uint64_t(int32_max)) {
      fields.invalid(name, "A token id is out of range.", "invalid_token_id");
      return {};
    }
    ids.push_back(TokenId(id.get<std::uint64_t>()));
  }
  return ids;
}

}  // namespace troupe::actors::edge
