// Views of memory that somebody else owns. Cheap to copy; nothing here allocates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "runtime/base/error.hpp"

namespace troupe::kernels {

// The types of weights, then the others. Of the quantised ones a block of a row's columns is one piece of memory
// (kernels/block_formats.hpp): GGUF's, then those that the quantised forms of Hugging Face folders are repacked into.
enum class DType : std::uint8_t {
  f32,
  f16,
  bf16,
  f8_e4m3,
  q8_0,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  i4_32,
  i4_128,
  i8_32,
  i8_128,
  i4_bf16,
  mxfp4,
  nvfp4,
  nf4,
  i32,
  i64,
  i8,
  u8
};

// What memory is made of: single elements, or blocks of so many columns of a row.
struct StorageUnit {
  std::int64_t columns;
  std::size_t bytes;
};

constexpr StorageUnit storage_unit(DType type) {
  switch (type) {
    case DType::f8_e4m3:
    case DType::i8:
    case DType::u8:
      return {1, 1};
    case DType::f16:
    case DType::bf16:
      return {1, 2};
    case DType::f32:
    case DType::i32:
      return {1, 4};
    case DType::i64:
      return {1, 8};
    case DType::mxfp4:
      return {32, 17};
    case DType::q4_0:
    case DType::iq4_nl:
    case DType::i4_bf16:
    case DType::nvfp4:
      return {32, 18};
    case DType::q4_1:
      return {32, 20};
    case DType::i4_32:
      return {32, 21};
    case DType::q5_0:
      return {32, 22};
    case DType::q5_1:
      return {32, 24};
    case DType::q8_0:
      return {32, 34};
    case DType::nf4:
      return {64, 36};
    case DType::i8_32:
      return {32, 37};
    case DType::i4_128:
      return {128, 69};
    case DType::i8_128:
      return {128, 133};
    case DType::q2_k:
      return {256, 84};
    case DType::q3_k:
      return {256, 110};
    case DType::q4_k:
      return {256, 144};
    case DType::q5_k:
      return {256, 176};
    case DType::q6_k:
      return {256, 210};
  }
  return {};
}

constexpr bool in_blocks(DType type) {
  return storage_unit(type).columns > 1;
}

// Whether a weight is what is stored times an F32 of Weight::scales, by which a product multiplies sums.
constexpr bool is_scaled(DType type) {
  return type == DType::f8_e4m3 || type == DType::nvfp4;
}

// Of an element; 0 for types that are stored in blocks.
constexpr std::size_t size_of(DType type) {
  return in_blocks(type) ? 0 : storage_unit(type).bytes;
}

// Of a row with so many columns, the last block whole.
constexpr std::size_t row_bytes(DType type, std::int64_t columns) {
  const StorageUnit unit = storage_unit(type);
  return std::size_t((columns + unit.columns - 1) / unit.columns) * unit.bytes;
}

template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::f32;
}
template <>
constexpr DType dtype_of<std::int32_t>() {
  return DType::i32;
}
template <>
constexpr DType dtype_of<std::int64_t>() {
  return DType::i64;
}

// A dense row-major array of up to 4 dimensions, in the memory of the Ops that made it.
class Tensor {
 public:
  Tensor() = default;
  Tensor(void* data, DType dtype, std::initializer_list<std::int64_t> shape)
      : data_(data), dtype_(dtype), rank_(int(shape.size())) {
    CHECK(shape.size() <= shape_.size());
    std::size_t i = 0;
    for (std::int64_t extent : shape) shape_[i++] = extent;
  }

  DType dtype() const { return dtype_; }
  int rank() const { return rank_; }
  std::int64_t shape(int i) const { return shape_[std::size_t(i)]; }
  std::int64_t rows() const { return rank_ == 0 ? 0 : shape_[0]; }
  std::int64_t row_elements() const {  // elements of one index of the first dimension
    std::int64_t product = 1;
    for (int i = 1; i < rank_; ++i) product *= shape(i);
    return product;
  }
  std::int64_t elements() const { return rank_ == 0 ? 0 : rows() * row_elements(); }
  std::size_t bytes() const { return std::size_t(elements()) * size_of(dtype_); }
  void* raw() const { return data_; }

  // Checked: T is the dtype.
  template <class T>
  T* as() const {
    CHECK(dtype_of<T>() == dtype_, "tensor accessed as another type");
    return static_cast<T*>(data_);
  }

  // Rows [first, first + count) of the same memory.
  Tensor slice(std::int64_t first, std::int64_t count) const {
    CHECK(first >= 0 && count >= 0 && first + count <= rows(), "slice out of range");
    Tensor part = *this;
    part.data_ = static_cast<std::byte*>(data_) + std::size_t(first * row_elements()) * size_of(dtype_);
    part.shape_[0] = count;
    return part;
  }
  // The same shape, of other memory.
  Tensor at(void* memory) const {
    Tensor other = *this;
    other.data_ = memory;
    return other;
  }
  // The same memory, seen in another shape that is not larger.
  Tensor reshape(std::initializer_list<std::int64_t> shape) const {
    Tensor other(data_, dtype_, shape);
    CHECK(other.elements() <= elements(), "reshape to a larger tensor");
    return other;
  }

 private:
  void* data_ = nullptr;
  DType dtype_ = DType::f32;
  int rank_ = 0;
  std::array<std::int64_t, 4> shape_{};
};

// How a matrix lies in memory: row after row, as checkpoints have it, or in panels (kernels/panels.hpp), which
// products read.
enum class Layout : std::uint8_t { rows, panels };

// Rows and columns of a block that is all of a matrix.
constexpr std::int64_t whole_matrix = std::int64_t(1) << 40;

// A matrix [rows, cols] of a checkpoint, or the part of it that a rank holds: y = x W^T.
// FP8 holds one F32 scale per block; blocks are found by the row and column of the whole matrix, of which
// this part begins at (row0, col0). NVFP4 has one for all of the matrix.
// Of a type that is stored in blocks a part has every block whole that its columns touch, wherever ranks and virtual
// shards cut them: col0 < the block's columns says how many of the first block come before the part.
// Columns may be stored in another order, so that those of a block share what it says of them: a product takes its sums
// in the order that is stored.
struct Weight {
  const void* data = nullptr;
  DType dtype = DType::f32;
  Layout layout = Layout::rows;
  std::int64_t rows = 0;          // outputs
  std::int64_t cols = 0;          // inputs, which a dot product runs along
  const float* scales = nullptr;  // [*, scale_stride]; null unless is_scaled(dtype)
  std::int64_t scale_stride = 0;
  std::int64_t row0 = 0, col0 = 0;
  std::int64_t block_rows = 128, block_cols = 128;
  const std::int32_t* order =
      nullptr;  // [cols]: the input that each stored column is of; null: its own place
};

}  // namespace troupe::kernels
