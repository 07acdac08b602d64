// generation_config.json: how its publisher would have a checkpoint sampled. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/ids.hpp"

namespace troupe::model {

constexpr std::size_t max_suppressed_tokens = 1024, max_bad_words = 1024;

// What a request gets that does not say otherwise; absent: the server's own default.
struct GenerationDefaults {
  std::optional<double> temperature;  // 0 when do_sample is false
  std::optional<double> top_p;
  std::optional<double> repetition_penalty;
  std::optional<double> min_p;
  std::optional<std::int64_t> top_k;  // 0: all
  std::optional<std::int64_t> max_new_tokens, min_new_tokens;
  std::vector<TokenId> eos_token_ids;           // besides those of config.json
  std::vector<std::vector<TokenId>> bad_words;  // bad_words_ids, and each of suppress_tokens
  std::vector<std::string> without_effect;      // fields that are set, and would change answers elsewhere
};

// Throws Error that names the field for a wrong type, a value out of range, or a kind of sampling that is not
// supported. Fields that say nothing about sampling are ignored.
GenerationDefaults parse_generation_config(const nlohmann::json& json, std::int64_t vocab_size,
                                           std::string_view where);
// For an operator: a sentence that names those without effect. Empty: there are none.
std::string note_on(const GenerationDefaults& defaults);

// Of a checkpoint's folder; all absent when it has no generation_config.json.
GenerationDefaults load_generation_config(const std::filesystem::path& folder, std::int64_t vocab_size);

}  // namespace troupe::model
