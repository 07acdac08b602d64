// Which tensors a checkpoint of a given config must hold,
// with their published names. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/checkpoint/safetensors.hpp"
#include "model/config.hpp"

namespace troupe::model {

struct ExpectedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  bool may_be_fp8 = false;             // a linear weight; F8_E4M3 needs scales, other types must have none
  std::int64_t prediction_layer = -1;  // which one it is of; -1: it is the decoder's
  bool required = true;                // false: the main model's takes its place when it is missing

  // The F32 scales of an FP8 weight: one for each block, the last ones of a row or column may be cut.
  ExpectedTensor scale(const Fp8Blocks& blocks) const;
};

// Collects names under a prefix such as "model.layers.3.".
class TensorListing {
 public:
  void at(std::string prefix, std::int64_t prediction_layer = -1) {
    prefix_ = std::move(prefix);
    prediction_layer_ = prediction_layer;
  }
  // [outputs, inputs], FP8 in quantised checkpoints.
  void linear(std::string_view name, std::int64_t rows, std::int64_t cols) { add(name, {rows, cols}, true); }
  void plain(std::string_view name, std::vector<std::int64_t> shape) { add(name, std::move(shape), false); }
  void optional(std::string_view name, std::vector<std::int64_t> shape) {
    add(name, std::move(shape), false);
    tensors.back().required = false;
  }

  std::vector<ExpectedTensor> tensors;

 private:
  void add(std::string_view name, std::vector<std::int64_t> shape, bool may_be_fp8) {
    tensors.push_back({prefix_ + std::string(name), std::move(shape), may_be_fp8, prediction_layer_});
  }
  std::string prefix_;
  std::int64_t prediction_layer_ = -1;
};

// Without scales: whether a weight is FP8 is seen from the file.
std::vector<ExpectedTensor> expected_tensors(const ModelConfig& config);

// Whether a tensor that files may hold says nothing that is not known without it: tables of rotary angles, and
// the head of a model whose head is its embedding, scales of quantised activations, which are not quantised here.
bool says_nothing_new(const ModelConfig& config, std::string_view name);

// Of the tensors that are loaded.
struct TensorBytes {
  std::size_t decoder = 0;
  std::size_t prediction = 0;  // besides, the first prediction layer
};

struct LocatedTensor {
  StoredTensor stored;
  std::string file;  // for messages
};
using LocatedTensors = std::map<std::string, LocatedTensor, std::less<>>;

struct CheckedTensors {
  TensorBytes bytes;
  // Those of which every tensor is there, counted up to the first that lacks one: transformers drops the layer
  // when it saves a model, and keeps the field that announces it.
  std::int64_t prediction_layers = 0;
  std::string note;  // a sentence when they are not what config.json says; else empty
};

// Throws Error that names file and tensor for one that the decoder misses, that is extra, or of a wrong shape or
// type.
CheckedTensors check_tensors(const ModelConfig& config, const LocatedTensors& found, std::string_view where);

}  // namespace troupe::model
