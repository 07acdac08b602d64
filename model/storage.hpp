// Memory of an Ops that lives as long as the Storage. Belongs to whoever fills it; not thread-safe.
#pragma once

#include <initializer_list>
#include <memory>
#include <vector>

#include "kernels/ops.hpp"

namespace troupe::model {

class Storage {
 public:
  explicit Storage(kernels::Ops& ops) : ops_(&ops) {}

  kernels::Ops& ops() const { return *ops_; }

  // Zeroed. Throws Error when the device has no more.
  void* allocate(std::size_t bytes) { return held_.emplace_back(ops_->allocate(bytes)).get(); }
  kernels::Tensor tensor(kernels::DType dtype, std::initializer_list<std::int64_t> shape) {
    const std::size_t bytes = kernels::Tensor(nullptr, dtype, shape).bytes();
    return kernels::Tensor(allocate(bytes), dtype, shape);
  }
  kernels::Tensor floats(std::initializer_list<std::int64_t> shape) {
    return tensor(kernels::DType::f32, shape);
  }

 private:
  kernels::Ops* ops_;
  std::vector<std::shared_ptr<void>> held_;
};

}  // namespace troupe::model
