#include "model/architecture.hpp"

#include "model/families/families.hpp"

namespace troupe::model {

namespace {

struct Family {
  std::string_view name;        // in config.json's architectures
  std::string_view model_type;  // the name of transformers' config
  const Architecture* architecture;
};

// A line a family.
constexpr Family known[] = {
    {"DeepseekV2ForCausalLM", "deepseek_v2", &families::deepseek_v2},
    {"DeepseekV3ForCausalLM", "deepseek_v3", &families::deepseek_v3},
    {"DeepseekV3ForCausalLM", "kimi_k2", &families::deepseek_v3},
    {"DeepseekV32ForCausalLM", "deepseek_v32", &families::deepseek_v32},
    {"KimiK2ForCausalLM", "kimi_k2", &families::deepseek_v3},
    {"LlamaForCausalLM", "llama", &families::llama},
    {"Qwen2ForCausalLM", "qwen2", &families::qwen2},
    {"Qwen3ForCausalLM", "qwen3", &families::qwen3},
};

}  // namespace

const Architecture* find_architecture(std::string_view name, std::string_view model_type) {
  for (const Family& family : known)
    if (family.name == name && (model_type.empty() || family.model_type == model_type))
      return family.architecture;
  return nullptr;
}

const Architecture& architecture_of(const ModelConfig& config) {
  const Architecture* const found = find_architecture(config.architecture);
  CHECK(found != nullptr, "a config of no family");
  return *found;
}

std::string supported_architectures() {
  std::string names;
  for (const Family& family : known)
    if (names.find(family.name) == names.npos)
      names += (names.empty() ? "" : ", ") + std::string(family.name);
  return names;
}

}  // namespace troupe::model
