// Operations that only move rows.
#include "kernels/cuda/rows.hpp"

#include "kernels/block_formats.hpp"
#include "kernels/cuda/kernel.hpp"

namespace troupe::kernels::cuda {
namespace {

// As kernels/weights.hpp has it.
DEVICE float dequantise(const Weight& w, std::int64_t row, std::int64_t column) {
  const std::byte* const at = static_cast<const std::byte*>(w.data) + offset_in(w, row, column);
  switch (w.dtype) {
    case DType::f32:
      return *reinterpret_cast<const float*>(at);
    case DType::f16:
      return decode_f16(*reinterpret_cast<const std::uint16_t*>(at));
    case DType::bf16:
      return decode_bf16(*reinterpret_cast<const std::uint16_t*>(at));
    case DType::f8_e4m3:
      return decode_e4m3(std::uint8_t(*at)) *
             w.scales[(w.row0 + row) / w.block_rows * w.scale_stride + (w.col0 + column) / w.block_cols];
    case DType::nvfp4:
      return block_of(w, at).value(column_in_block(w, column)) * 256 * w.scales[0];
    default:
      return block_of(w, at).value(column_in_block(w, column));
  }
}

}  // namespace

KERNEL(embed, Embed) {
  const std::int64_t row = std::int64_t{k.tokens[blockIdx.x]} - k.first_token;
  const bool here = row >= 0 && row < k.table.rows;
  float* const out = k.out + std::int64_t(blockIdx.x) * k.table.cols;
  for (std::int64_t i = threadIdx.x; i < k.table.cols; i += k.threads)
    out[i] = here ? dequantise(k.table, row, i) : 0.0f;
}

KERNEL(gather_rows, GatherRows) {
  const std::int32_t row = k.rows[blockIdx.x];
  DEVICE_CHECK(row >= 0 && row < k.x_rows);
  const std::byte* const from = k.x + row * k.row_bytes;
  std::byte* const to = k.out + std::int64_t(blockIdx.x) * k.row_bytes;
  if (k.row_bytes % 4 == 0)
    for (std::int64_t i = threadIdx.x; i < k.row_bytes / 4; i += k.threads)
      reinterpret_cast<std::uint32_t*>(to)[i] = reinterpret_cast<const std::uint32_t*>(from)[i];
  else
    for (std::int64_t i = threadIdx.x; i < k.row_bytes; i += k.threads) to[i] = from[i];
}

KERNEL(join_columns, JoinColumns) {
  const std::int64_t i = std::int64_t(blockIdx.x) * k.threads + threadIdx.x;
  if (i >= k.rows * k.columns) return;
  const std::int64_t row = i / k.columns, column = i % k.columns;
  k.out[i] = k.parts[(column / k.n * k.rows + row) * k.n + column % k.n];
}

KERNEL(fill, Fill) {
  const std::int64_t i = std::int64_t(blockIdx.x) * k.threads + threadIdx.x;
  if (i < k.elements) k.x[i] = k.value;
}

}  // namespace troupe::kernels::cuda
