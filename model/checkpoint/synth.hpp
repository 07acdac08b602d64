// Writes random checkpoints of any size, for benches and tests: numerically tame (each linear keeps the scale
// of its input), and the same bytes for the same seed on any machine and any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "kernels/tensor.hpp"

namespace troupe::model {

struct SynthOptions {
  kernels::DType weights = kernels::DType::bf16;  // f8_e4m3, bf16 or f32
  std::uint64_t seed = 0;
  std::size_t shard_bytes = std::size_t(4) << 30;  // a larger checkpoint is split into shards with an index
  int threads = 2;
  // A folder whose tokenizer.json, tokenizer_config.json, chat_template.jinja and generation_config.json are
  // copied, as far as it has them; none when empty. Its token ids must fit the vocabulary.
  std::filesystem::path tokenizer{};
};

// config: a config.json; its quantization_config is set or removed to fit the weights' type. folder is made,
// and must be empty if it exists. Throws Error.
void write_synth(const nlohmann::json& config, const std::filesystem::path& folder,
                 const SynthOptions& options);

}  // namespace troupe::model
