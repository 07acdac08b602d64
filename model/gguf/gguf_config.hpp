// What config.json would say of a model that is in a GGUF file. Pure functions; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "model/config.hpp"
#include "model/gguf/gguf_file.hpp"

namespace troupe::model {

// Which of its models the format's general.architecture stands for.
enum class GgufArchitecture { llama, qwen2, qwen3, deepseek2 };

// Throws Error that names the file and what is served for another one.
GgufArchitecture gguf_architecture(const GgufFile& first);

// In the published fields' names, for parse_config. files: a whole set. Throws Error that names the key for one that is
// missing, of another type, or says what no field of config.json says.
nlohmann::json gguf_config(const std::vector<GgufFile>& files);

// The tensor that says Llama 3's scaling of frequencies: F32, one a pair of a head.
constexpr std::string_view gguf_rope_factors = "rope_freqs.weight";

// What it holds of a head of head_dim. Throws Error that names `where` for other scaling than that of the published models,
// which gguf_config could not find in it again.
std::vector<float> gguf_llama3_factors(const Llama3Rope& rope, double theta, std::int64_t head_dim,
                                       std::string_view where);

}  // namespace troupe::model
