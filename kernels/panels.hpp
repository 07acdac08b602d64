// The layout of weights that products read: panels of 16 rows, so that a vector's lanes are rows and memory is
// read from one end to the other. Within a panel the columns follow one another. Types that a vector decodes
// by shifts alone have two columns side by side: for each row its element of the even column, then of the odd
// one. Of types that are stored in blocks single bytes lie side by side: for each row byte 0 of its first block, then
// for each row byte 1, and so on. Rows and columns that fill up the last panel are zero. Pure functions; any thread.
#pragma once

#include "kernels/tensor.hpp"

namespace troupe::kernels {

constexpr std::int64_t panel_rows = 16;

// Of elements.
constexpr std::int64_t columns_together(DType type) {
  return type == DType::bf16 || type == DType::f8_e4m3 ? 2 : 1;
}

// Of a matrix with so many columns, counted from the beginning of a block. Sizes and offsets are in bytes.
struct Panels {
  DType dtype;
  std::int64_t cols;

  // What a row has in one piece.
  constexpr std::size_t piece() const {
    return in_blocks(dtype) ? 1 : std::size_t(columns_together(dtype)) * size_of(dtype);
  }
  constexpr std::size_t panel_size() const {
    return (row_bytes(dtype, cols) + piece() - 1) / piece() * piece() * std::size_t(panel_rows);
  }
  constexpr std::size_t size(std::int64_t rows) const {
    return std::size_t((rows + panel_rows - 1) / panel_rows) * panel_size();
  }
  // Of an element, or of the first byte of the block that has it.
  constexpr std::size_t offset(std::int64_t row, std::int64_t column) const {
    const StorageUnit unit = storage_unit(dtype);
    const std::size_t in_row = std::size_t(column / unit.columns) * unit.bytes;
    return std::size_t(row / panel_rows) * panel_size() +
           (in_row / piece() * std::size_t(panel_rows) + std::size_t(row % panel_rows)) * piece() +
           in_row % piece();
  }
};

// Columns of a part's first block that come before the part.
constexpr std::int64_t columns_before(const Weight& w) {
  return in_blocks(w.dtype) ? w.col0 : 0;
}
constexpr Panels panels_of(const Weight& w) {
  return {w.dtype, columns_before(w) + w.cols};
}
// Of all its rows, in the layout that it has.
constexpr std::size_t bytes_of(const Weight& w) {
  return w.layout == Layout::panels ? panels_of(w).size(w.rows)
                                    : std::size_t(w.rows) * row_bytes(w.dtype, columns_before(w) + w.cols);
}
// From its first byte to an element, or to the first byte of the block that has it.
constexpr std::size_t offset_in(const Weight& w, std::int64_t row, std::int64_t column) {
  const std::int64_t stored = columns_before(w) + column;
  if (w.layout == Layout::panels) return panels_of(w).offset(row, stored);
  const StorageUnit unit = storage_unit(w.dtype);
  return std::size_t(row) * row_bytes(w.dtype, columns_before(w) + w.cols) +
         std::size_t(stored / unit.columns) * unit.bytes;
}

// Write one row, or one column of a type that is not stored in blocks, which lies close together at source, to where
// it belongs in panels.
void pack_row(const Panels& panels, std::int64_t row, const std::byte* source, std::byte* target);
void pack_column(const Panels& panels, std::int64_t rows, std::int64_t column, const std::byte* source,
                 std::byte* target);

}  // namespace troupe::kernels
