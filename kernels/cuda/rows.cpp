#include "kernels/cuda/rows.hpp"

#include "kernels/cuda/cuda_ops.hpp"

namespace troupe::kernels::cuda {

void CudaOps::embed(Queue& queue, const IndexList& tokens, const Weight& table, TokenId first_token,
                    Tensor out) {
  CHECK(out.rows() == tokens.size() && out.row_elements() == table.cols, "shapes of embed");
  stream_of(queue).launch(
      {.x = out.rows()},
      Embed{.tokens = staged(tokens), .table = table, .first_token = first_token, .out = out.as<float>()});
}

void CudaOps::gather_rows(Queue& queue, const Tensor& x, const IndexList& rows, Tensor out) {
  CHECK(out.rows() == rows.size() && out.row_elements() == x.row_elements(), "shapes of gather_rows");
  CHECK(out.dtype() == x.dtype(), "types of gather_rows");
  stream_of(queue).launch({.x = out.rows()},
                          GatherRows{.x = static_cast<const std::byte*>(x.raw()),
                                     .x_rows = x.rows(),
                                     .row_bytes = x.row_elements() * std::int64_t(size_of(x.dtype())),
                                     .rows = staged(rows),
                                     .out = static_cast<std::byte*>(out.raw())});
}

void CudaOps::join_columns(Queue& queue, const Tensor& parts, Tensor out) {
  CHECK(parts.rank() == 3 && parts.shape(1) == out.rows(), "shapes of join_columns");
  const std::int64_t n = parts.shape(2), columns = out.row_elements();
  CHECK(columns <= parts.shape(0) * n, "more columns than the parts have");
  stream_of(queue).launch(blocks_of<JoinColumns>(out.elements()), JoinColumns{.parts = parts.as<float>(),
                                                                              .rows = out.rows(),
                                                                              .n = n,
                                                                              .columns = columns,
                                                                              .out = out.as<float>()});
}

void CudaOps::copy(Queue& queue, const Tensor& x, Tensor out) {
  CHECK(out.elements() == x.elements() && out.dtype() == x.dtype(), "shapes of copy");
  stream_of(queue).copy(out.raw(), x.raw(), x.bytes());
}

void CudaOps::fill(Queue& queue, Tensor x, float value) {
  stream_of(queue).launch(blocks_of<Fill>(x.elements()),
                          Fill{.x = x.as<float>(), .elements = x.elements(), .value = value});
}

}  // namespace troupe::kernels::cuda
