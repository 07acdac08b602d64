// Random checkpoints of small configs with changes, and what every one of them must do: give the same bytes on a GPU and
// on any number of ranks.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "model/checkpoint/synth.hpp"
#include "tests/model/checkpoint/checkpoint_folder.hpp"
#include "tests/model/graphs/decoder_session.hpp"

namespace troupe::model {

struct Variant {
  const char* name;
  nlohmann::json changes;  // of base
  kernels::DType weights;
  nlohmann::json base = small_config();
};

inline std::string name_of_variant(const ::testing::TestParamInfo<Variant>& info) {
  return info.param.name;
}

inline const nlohmann::json odd_blocks{
    {"quantization_config", {{"quant_method", "fp8"}, {"fmt", "e4m3"}, {"weight_block_size", {10, 12}}}}};
inline const nlohmann::json yarn_of_deepseek{{"rope_scaling",
                                              {{"type", "yarn"},
                                               {"factor", 4},
                                               {"original_max_position_embeddings", 128},
                                               {"mscale", 0.707},
                                               {"mscale_all_dim", 1.0}}}};

inline nlohmann::json merged(nlohmann::json base, const nlohmann::json& changes) {
  base.merge_patch(changes);
  return base;
}

class SynthCheckpoint {
 public:
  SynthCheckpoint(const nlohmann::json& config, kernels::DType weights, unsigned seed) {
    write_synth(config, folder_.path() / "model", {.weights = weights, .seed = seed});
    checkpoint_.emplace(Checkpoint::open(folder_.path() / "model"));
  }
  explicit SynthCheckpoint(const Variant& variant)
      : SynthCheckpoint(merged(variant.base, variant.changes), variant.weights, 3) {}

  const Checkpoint& operator*() const { return *checkpoint_; }
  const Checkpoint* operator->() const { return &*checkpoint_; }

 private:
  TemporaryFolder folder_;
  std::optional<Checkpoint> checkpoint_;
};

// run(options): what is computed there. Returns that of one rank of a CPU.
template <class Run>
Logits expect_equal_everywhere(const Checkpoint& checkpoint, Run run) {
  const Logits alone = run(SessionOptions{});
  EXPECT_TRUE(same_bytes(alone, run({.gpu = true})));
  for (int ranks : {2, 4}) {
    EXPECT_TRUE(same_bytes(alone, run({.tensor_parallel = ranks}))) << ranks;
    if (checkpoint.config().n_routed_experts == 0) continue;
    EXPECT_TRUE(same_bytes(alone, run({.tensor_parallel = ranks, .expert_parallel = true}))) << ranks;
  }
  return alone;
}

}  // namespace troupe::model
