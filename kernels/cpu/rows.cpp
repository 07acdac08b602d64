// Operations that only move rows.
#include <algorithm>

#include "kernels/cpu/cpu_ops.hpp"
#include "kernels/cpu/weights.hpp"

namespace troupe::kernels {

void CpuOps::embed(Queue&, std::span<const TokenId> tokens, const Weight& table, TokenId first_token,
                   Tensor out) {
  check_weight(table);
  CHECK(out.rows() == std::int64_t(tokens.size()) && out.row_elements() == table.cols, "shapes of embed");
  each_row(out.rows(), table.cols, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      float* const to = out.as<float>() + t * table.cols;
      const std::int64_t row = std::int64_t{tokens[std::size_t(t)]} - first_token;
      if (row >= 0 && row < table.rows)
        for (std::int64_t i = 0; i < table.cols; ++i) to[i] = dequantise(table, row, i);
      else
        std::fill_n(to, table.cols, 0.0f);
    }
  });
}

void CpuOps::expand(Queue&, const Tensor& tokens, const Routing& routing, ExpertBatch& out) {
  const std::int64_t slots = routing.experts.row_elements(), n = tokens.row_elements();
  const std::int64_t used = tokens.rows() * slots;
  CHECK(routing.experts.rows() == tokens.rows() && out.rows.row_elements() == n, "shapes of expand");
  CHECK(used <= out.rows.rows() && used <= out.experts.elements(), "an expert batch of too little capacity");
  each_row(tokens.rows(), slots * n, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin * slots; row < end * slots; ++row)
      std::copy_n(tokens.as<float>() + row / slots * n, n, out.rows.as<float>() + row * n);
  });
  std::copy_n(routing.experts.as<std::int32_t>(), used, out.experts.as<std::int32_t>());
  *out.count.as<std::int32_t>() = std::int32_t(used);
}

void CpuOps::gather_rows(Queue&, const Tensor& x, std::span<const std::int32_t> rows, Tensor out) {
  const std::int64_t n = x.row_elements();
  CHECK(out.rows() == std::int64_t(rows.size()) && out.row_elements() == n, "shapes of gather_rows");
  CHECK(out.dtype() == x.dtype(), "types of gather_rows");
  const std::size_t bytes = std::size_t(n) * size_of(x.dtype());
  const auto* const from = static_cast<const std::byte*>(x.raw());
  auto* const to = static_cast<std::byte*>(out.raw());
  each_row(out.rows(), n, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int32_t row = rows[std::size_t(i)];
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
