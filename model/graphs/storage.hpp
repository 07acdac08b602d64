// Memory of an Ops that lives as long as the Storage. Belongs to whoever fills it; not thread-safe.
#pragma once

#include <initializer_list>
#include <limits>
#include <memory>
#include <vector>

#include "kernels/ops.hpp"

namespace troupe::model {

class Storage {
 public:
  static constexpr std::size_t alignment = 64;

  explicit Storage(kernels::Ops& ops) : ops_(&ops) {}
  // One that takes no memory and gives addresses that nobody may follow: taken() tells how much the same calls need.
  static Storage counting(kernels::Ops& ops) {
    Storage storage(ops);
    storage.reserve_ = reinterpret_cast<void*>(alignment);  // null and an offset are nothing to a sanitizer
    storage.reserved_ = std::numeric_limits<std::size_t>::max();
    return storage;
  }

  kernels::Ops& ops() const { return *ops_; }

  // What is allocated from now on lies in this memory, one after the other, as far as it reaches.
  void reserve(std::shared_ptr<void> memory, std::size_t bytes) {
    reserve_ = held_.emplace_back(std::move(memory)).get();
    reserved_ = bytes;
    taken_ = 0;
  }
  std::size_t taken() const { return taken_; }  // bytes, of the last reserve

  // Zeroed, unless what was reserved is not. Throws Error when the device has no more.
  void* allocate(std::size_t bytes) {
    const std::size_t padded = (bytes + alignment - 1) / alignment * alignment;
    if (padded > reserved_ - taken_) return held_.emplace_back(ops_->allocate(bytes)).get();
    void* const at = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(reserve_) + taken_);
    taken_ += padded;
    return at;
  }
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
  void* reserve_ = nullptr;
  std::size_t reserved_ = 0, taken_ = 0;
};

}  // namespace troupe::model
