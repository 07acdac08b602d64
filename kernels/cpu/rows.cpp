// Operations that only move rows.
#include <algorithm>

#include "kernels/cpu/cpu_ops.hpp"
#include "kernels/weights.hpp"

namespace troupe::kernels {

void CpuOps::embed(Queue&, const IndexList& tokens, const Weight& table, TokenId first_token, Tensor out) {
  check_weight(table);
  CHECK(out.rows() == tokens.size() && out.row_elements() == table.cols, "shapes of embed");
  each_row(out.rows(), table.cols, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      float* const to = out.as<float>() + t * table.cols;
      const std::int64_t row = std::int64_t{tokens.host()[std::size_t(t)]} - first_token;
      if (row >= 0 && row < table.rows)
        for (std::int64_t i = 0; i < table.cols; ++i) to[i] = dequantise(table, row, i);
      else
        std::fill_n(to, table.cols, 0.0f);
    }
  });
}

void CpuOps::copy(Queue&, const Tensor& x, Tensor out) {
  CHECK(out.elements() == x.elements() && out.dtype() == x.dtype(), "shapes of copy");
  const std::size_t size = size_of(x.dtype());
  const auto* const from = static_cast<const std::byte*>(x.raw());
  auto* const to = static_cast<std::byte*>(out.raw());
  each_row(x.elements(), 1, [&](std::int64_t begin, std::int64_t end) {
    std::copy(from + std::size_t(begin) * size, from + std::size_t(end) * size,
              to + std::size_t(begin) * size);
  });
}

void CpuOps::gather_rows(Queue&, const Tensor& x, const IndexList& rows, Tensor out) {
  const std::int64_t n = x.row_elements();
  CHECK(out.rows() == rows.size() && out.row_elements() == n, "shapes of gather_rows");
  CHECK(out.dtype() == x.dtype(), "types of gather_rows");
  const std::size_t bytes = std::size_t(n) * size_of(x.dtype());
  const auto* const from = static_cast<const std::byte*>(x.raw());
  auto* const to = static_cast<std::byte*>(out.raw());
  each_row(out.rows(), n, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int32_t row = rows.host()[std::size_t(i)];
      CHECK(row >= 0 && row < x.rows(), "row out of range");
      std::copy_n(from + std::size_t(row) * bytes, bytes, to + std::size_t(i) * bytes);
    }
  });
}

void CpuOps::join_columns(Queue&, const Tensor& parts, Tensor out) {
  CHECK(parts.rank() == 3 && parts.shape(1) == out.rows(), "shapes of join_columns");
  const std::int64_t ranks = parts.shape(0), n = parts.shape(2), columns = out.row_elements();
  CHECK(columns <= ranks * n, "more columns than the parts have");
  each_row(out.rows(), columns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t)
      for (std::int64_t column = 0; column < columns; column += n)
        std::copy_n(parts.as<float>() + (column / n * out.rows() + t) * n, std::min(n, columns - column),
                    out.as<float>() + t * columns + column);
  });
}

}  // namespace troupe::kernels
