// The rows of a checkpoint's tensors as F32, in the published order, whatever they are stored in. Immutable; any thread.
#pragma once

#include <span>
#include <string>

#include "kernels/tensor.hpp"
#include "model/checkpoint/checkpoint.hpp"

namespace troupe::model {

class WeightRows {
 public:
  // The checkpoint outlives it.
  WeightRows(const Checkpoint& checkpoint, const std::string& name);

  std::int64_t rows() const { return rows_; }  // of a vector one
  std::int64_t columns() const { return columns_; }
  // out: [columns]. Throws Error for a NaN or an infinity.
  void read(std::int64_t row, std::span<float> out) const;

 private:
  [[noreturn]] void refuse(const char* part) const;

  const StoredTensor& stored_;
  std::string where_;
  std::int64_t columns_, rows_;
  kernels::Weight scaled_;  // of types with scales: a row, but for its bytes
  std::vector<float> scales_;
};

}  // namespace troupe::model
