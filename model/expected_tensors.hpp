// Which tensors a checkpoint of a given config must hold,
// with their published names. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.hpp"
#include "model/safetensors.hpp"

namespace troupe::model {

enum class LoadedWith : std::uint8_t {
  decoder,
  prediction,  // by a decoder that predicts: the first multi-token-prediction layer
  nothing,     // only checked: further ones
};

struct ExpectedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  bool may_be_fp8 = false;  // a linear weight; F8_E4M3 needs scales, other types must have none
  LoadedWith with = LoadedWith::decoder;
  bool required = true;  // false: the main model's takes its place when it is missing

  // The F32 scales of an FP8 weight: one for each block, the last ones of a row or column may be cut.
  ExpectedTensor scale(const Fp8Blocks& blocks) const;
};

// Without scales: whether a weight is FP8 is seen from the file.
std::vector<ExpectedTensor> expected_tensors(const ModelConfig& config);

// Of the tensors that are loaded.
struct TensorBytes {
  std::size_t decoder = 0;
  std::size_t prediction = 0;  // besides
};

struct LocatedTensor {
  StoredTensor stored;
  std::string file;  // for messages
};
using LocatedTensors = std::map<std::string, LocatedTensor, std::less<>>;

// Throws Error that names file and tensor for one that is missing, extra, or of a wrong shape or type.
TensorBytes check_tensors(const ModelConfig& config, const LocatedTensors& found, std::string_view where);

}  // namespace troupe::model
