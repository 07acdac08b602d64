#include "model/generation_config.hpp"

#include "model/config.hpp"
#include "model/json/parse.hpp"
#include "model/token_ids.hpp"

namespace troupe::model {
namespace {

// Fields that change what is sampled, and the values at which they change nothing.
constexpr std::pair<std::string_view, double> unsupported[] = {
    {"no_repeat_ngram_size", 0}, {"num_beams", 1}, {"typical_p", 1}};

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
  defaults.eos_token_ids = read_token_ids(fields["eos_token_id"], vocab_size);
  for (const auto& [name, neutral] : unsupported) {
    if (fields[name].optional_number(-1e9, 1e9).value_or(neutral) != neutral)
      fields[name].fail("is set, and is not supported");
  }
  return defaults;
}

GenerationDefaults load_generation_config(const std::filesystem::path& folder, std::int64_t vocab_size) {
  const std::filesystem::path file = folder / "generation_config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return {};
  return parse_generation_config(load_json(file, limits::config_bytes), vocab_size, file.string());
}

}  // namespace troupe::model
