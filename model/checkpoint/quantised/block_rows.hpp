// Rows in blocks of kernels/block_formats.hpp, made from codes and what columns share, wherever a form has these.
// Immutable; any thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "kernels/block_formats.hpp"
#include "model/checkpoint/stored_tensor.hpp"

namespace troupe::model {

// Of an unaligned array.
template <class T>
T element(std::span<const std::byte> bytes, std::int64_t i) {
  T value;
  std::memcpy(&value, bytes.data() + std::size_t(i) * sizeof value, sizeof value);
  return value;
}

// A Source has:
//   unsigned code(row, column)      the bits of a code as the block has them, by row and column of the weight
//   void share(row, stored, block)  writes what the stored columns from this one, a block's first, on share
template <class Source>
class BlockRows final : public PackedRows {
 public:
  // order: see PackedRows; columns of a block that it makes share what a block says of them.
  BlockRows(kernels::DType type, std::int64_t cols, Source source, std::vector<std::int32_t> order = {})
      : type_(type), cols_(cols), source_(std::move(source)), order_(std::move(order)) {}

  void write(std::int64_t row, std::int64_t first, std::int64_t count, std::byte* out) const override {
    const kernels::StorageUnit unit = kernels::storage_unit(type_);
    std::array<kernels::Code, most_columns> places;
    for (int c = 0; c < unit.columns; ++c) places[std::size_t(c)] = kernels::code_at(type_, c);
    for (std::int64_t begin = first; begin < first + count; begin += unit.columns, out += unit.bytes) {
      std::memset(out, 0, unit.bytes);
      source_.share(row, begin, out);
      const std::int64_t here = std::min(unit.columns, cols_ - begin);
      for (std::int64_t c = 0; c < here; ++c) {
        const kernels::Code& place = places[std::size_t(c)];
        out[place.byte] |= std::byte(source_.code(row, input(begin + c)) << place.shift);
      }
    }
  }
  std::span<const std::int32_t> order() const override { return order_; }

 private:
  static constexpr std::int64_t most_columns = 128;  // of a block of a type that is made here

  std::int64_t input(std::int64_t column) const {
    return order_.empty() ? column : order_[std::size_t(column)];
  }

  kernels::DType type_;
  std::int64_t cols_;
  Source source_;
  std::vector<std::int32_t> order_;
};

template <class Source>
StoredTensor in_blocks_of(kernels::DType type, std::int64_t rows, std::int64_t cols, Source source,
                          std::vector<std::int32_t> order = {}) {
  return {.dtype = type,
          .shape = {rows, cols},
          .packed = std::make_shared<BlockRows<Source>>(type, cols, std::move(source), std::move(order))};
}

}  // namespace troupe::model
