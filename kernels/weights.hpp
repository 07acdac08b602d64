// Single weights as F32, by the format of the checkpoint, and what kernels require of a matrix. Thread-safe.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "kernels/block_formats.hpp"
#include "kernels/number_formats.hpp"
#include "kernels/ops.hpp"
#include "kernels/panels.hpp"

namespace troupe::kernels {

// Where the scale of an FP8 or NVFP4 weight's element stands.
inline const float& scale_at(const Weight& w, std::int64_t row, std::int64_t column) {
  return w.scales[(w.row0 + row) / w.block_rows * w.scale_stride + (w.col0 + column) / w.block_cols];
}

// Where an element stands, or the block that has it.
inline const std::byte* element_at(const Weight& w, std::int64_t row, std::int64_t column) {
  return static_cast<const std::byte*>(w.data) + offset_in(w, row, column);
}

// Value times scale, rounded once; or what the type's block says. Of a column as it is stored.
inline float dequantise(const Weight& w, std::int64_t row, std::int64_t column) {
  const std::byte* at = element_at(w, row, column);
  if (in_blocks(w.dtype)) {
    const float value = block_of(w, at).value(column_in_block(w, column));
    return is_scaled(w.dtype) ? value * 256 * scale_at(w, row, column) : value;
  }
  if (w.dtype == DType::f8_e4m3) return decode_e4m3(std::uint8_t(*at)) * scale_at(w, row, column);
  if (w.dtype == DType::f32) {
    float value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  std::uint16_t half;
  std::memcpy(&half, at, sizeof half);
  return w.dtype == DType::bf16 ? decode_bf16(half) : decode_f16(half);
}

// A weight that no kernel can read is a broken invariant.
inline void check_weight(const Weight& w) {
  const bool scaled = is_scaled(w.dtype);
  CHECK(w.rows >= 0 && w.cols >= 0 && w.row0 >= 0 && w.col0 >= 0, "weight of negative extent");
  CHECK(w.data != nullptr || w.rows * w.cols == 0, "weight without data");
  CHECK(w.dtype < DType::i32, "weight of a strange type");
  CHECK(!in_blocks(w.dtype) || w.col0 < storage_unit(w.dtype).columns, "blocks before those of a weight");
  CHECK(!scaled || (w.block_rows > 0 && w.block_cols > 0), "scaled weight without blocks");
  CHECK(!scaled || w.scales != nullptr || w.rows * w.cols == 0, "scaled weight without scales");
  CHECK(w.order == nullptr || in_blocks(w.dtype), "an order of columns that no block needs");
}

// Likewise a product with shards that are not those of its columns.
inline void check_product(const Weight& w, const VirtualShards& shards) {
  check_weight(w);
  CHECK(w.layout == Layout::panels, "a product of weights that are not in panels");
  CHECK(shards.count > 0 && shards.first >= 0 && shards.first + shards.count <= shards.total,
        "shards out of range");
  CHECK(std::has_single_bit(unsigned(shards.count)), "shards that are no subtree");
  CHECK(shards.begin(shards.first + shards.count) - shards.begin(shards.first) == w.cols,
        "a weight whose columns are not those of its shards");
}

}  // namespace troupe::kernels
