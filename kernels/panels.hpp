// The layout of weights that products read: panels of 16 rows, so that a vector's lanes are rows and memory is
// read from one end to the other. Within a panel the columns follow one another. Types that a vector decodes
// by shifts alone have two columns side by side: for each row its element of the even column, then of the odd
// one. Rows and columns that fill up the last panel are zero. Pure functions; any thread.
#pragma once

#include "kernels/tensor.hpp"

namespace troupe::kernels {

constexpr std::int64_t panel_rows = 16;

constexpr std::int64_t columns_together(DType type) {
  return type == DType::bf16 || type == DType::f8_e4m3 ? 2 : 1;
}

// Of a matrix with so many columns. Sizes and indices are in elements.
struct Panels {
  DType dtype;
  std::int64_t cols;

  constexpr std::int64_t panel_size() const {
    const std::int64_t together = columns_together(dtype);
    return (cols + together - 1) / together * together * panel_rows;
  }
  constexpr std::int64_t size(std::int64_t rows) const {
    return (rows + panel_rows - 1) / panel_rows * panel_size();
  }
  constexpr std::int64_t index(std::int64_t row, std::int64_t column) const {
    const std::int64_t together = columns_together(dtype);
    return row / panel_rows * panel_size() + (column / together * panel_rows + row % panel_rows) * together +
           column % together;
  }
};

// Write one row or one column of such a matrix, stored close together at source, to where it belongs in panels.
void pack_row(const Panels& panels, std::int64_t row, const std::byte* source, std::byte* target);
void pack_column(const Panels& panels, std::int64_t rows, std::int64_t column, const std::byte* source,
                 std::byte* target);

}  // namespace troupe::kernels
