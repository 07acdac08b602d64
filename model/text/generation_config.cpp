#include "model/text/generation_config.hpp"

#include "model/config.hpp"
#include "model/json/parse.hpp"
#include "model/text/token_ids.hpp"

namespace troupe::model {
namespace {

// Fields that change what is sampled, and the values at which they change nothing.
constexpr std::pair<std::string_view, double> unsupported[] = {
    {"no_repeat_ngram_size", 0}, {"num_beams", 1}, {"typical_p", 1}};

// Fields that change what transformers generates and nothing here, and the values at which they change nothing there.
const std::pair<std::string_view, nlohmann::json> without_effect[] = {
    {"begin_suppress_tokens", nullptr},
    {"epsilon_cutoff", 0},
    {"eta_cutoff", 0},
    {"exponential_decay_length_penalty", nullptr},
    {"forced_bos_token_id", nullptr},
    {"forced_eos_token_id", nullptr},
    {"guidance_scale", 1},
    {"max_length", 20},
    {"min_length", 0},
    {"penalty_alpha", 0},
    {"sequence_bias", nullptr},
    {"stop_strings", nullptr}};

std::vector<JsonValue> list(const JsonValue& field, std::size_t most) {
  if (field.is_null()) return {};
  if (field.value().is_array() && field.value().size() > most)
    field.fail("lists more than " + std::to_string(most));
  return field.elements();
}

// Texts that may not come: each is a list of tokens.
std::vector<std::vector<TokenId>> read_bad_words(const JsonValue& fields, std::int64_t vocab_size) {
  std::vector<std::vector<TokenId>> words;
  for (const JsonValue& token : list(fields["suppress_tokens"], max_suppressed_tokens))
    words.push_back({TokenId(token.integer(0, vocab_size - 1))});
  for (const JsonValue& word : list(fields["bad_words_ids"], max_bad_words)) {
    words.push_back(read_token_ids(word, vocab_size));
    if (words.back().empty()) word.fail("has no token");
  }
  return words;
}

}  // namespace

GenerationDefaults parse_generation_config(const nlohmann::json& json, std::int64_t vocab_size,
                                           std::string_view where) {
  const JsonValue fields(json, where);
  GenerationDefaults defaults;
  defaults.temperature = fields["temperature"].optional_number(0, 100);
  if (!fields["do_sample"].optional_boolean().value_or(true)) defaults.temperature = 0;
  defaults.repetition_penalty = fields["repetition_penalty"].optional_number(1e-6, 1e6);
  defaults.top_p = fields["top_p"].optional_number(1e-6, 1);
  defaults.min_p = fields["min_p"].optional_number(0, 1);
  defaults.top_k = fields["top_k"].optional_integer(0, limits::vocab_size);
  defaults.max_new_tokens = fields["max_new_tokens"].optional_integer(1, limits::positions);
  defaults.min_new_tokens = fields["min_new_tokens"].optional_integer(0, limits::positions);
  defaults.bad_words = read_bad_words(fields, vocab_size);
  defaults.eos_token_ids = read_token_ids(fields["eos_token_id"], vocab_size);
  for (const auto& [name, neutral] : unsupported) {
    if (fields[name].optional_number(-1e9, 1e9).value_or(neutral) != neutral)
      fields[name].fail("is set, and is not supported");
  }
  for (const auto& [name, neutral] : without_effect) {
    const nlohmann::json& value = fields[name].value();
    if (!value.is_null() && value != neutral && !(value.is_structured() && value.empty()))
      defaults.without_effect.emplace_back(name);
  }
  return defaults;
}

std::string note_on(const GenerationDefaults& defaults) {
  std::string names;
  for (const std::string& name : defaults.without_effect) names += (names.empty() ? "" : ", ") + name;
  return names.empty() ? names : "generation_config.json has fields without effect here: " + names;
}

GenerationDefaults load_generation_config(const std::filesystem::path& folder, std::int64_t vocab_size) {
  const std::filesystem::path file = folder / "generation_config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return {};
  return parse_generation_config(load_json(file, limits::config_bytes), vocab_size, file.string());
}

}  // namespace troupe::model
