// The tensors in which files hold one weight, and the one that they become. Used while a checkpoint is opened, by one
// thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "model/checkpoint/expected_tensors.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

constexpr std::int64_t most_extent = std::int64_t(1)
                                     << 31;  // of a matrix: with these no product of sizes can overflow

class WeightParts {
 public:
  // module: what their names begin with, "model.layers.0.self_attn.q_proj.". Of the parts that it has not asked for
  // tensors keeps those that are there.
  WeightParts(LocatedTensors& tensors, std::string module) : tensors_(tensors), module_(std::move(module)) {}

  // By the rest of its name; null if there is none.
  const StoredTensor* find(std::string_view name);
  // Throws Error when it is missing or of another type.
  const StoredTensor& get(std::string_view name, std::initializer_list<kernels::DType> types);
  // Also when it is no matrix, or a larger one than there is.
  const StoredTensor& matrix(std::string_view name, std::initializer_list<kernels::DType> types);
  // Also when it is of another shape.
  const StoredTensor& shaped(std::string_view name, std::initializer_list<kernels::DType> types,
                             const std::vector<std::int64_t>& shape);
  // A part's file and name, for messages.
  std::string where(std::string_view name) const;
  // Throws Error about a part, or about the weight.
  [[noreturn]] void fail(std::string_view name, std::string_view what) const;

  // Takes the place of all parts that were asked for. Throws Error when there is such a weight besides.
  void become(StoredTensor weight);
  // The same for a weight of a type with scales.
  void become(StoredTensor weight, StoredTensor scales);

 private:
  LocatedTensors& tensors_;
  std::string module_;
  std::vector<std::string> asked_;
};

// That scales come in.
inline constexpr std::initializer_list<kernels::DType> float_types{kernels::DType::f32, kernels::DType::f16,
                                                                   kernels::DType::bf16};

}  // namespace troupe::model
