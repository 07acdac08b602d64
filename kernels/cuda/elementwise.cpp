#include "kernels/cuda/elementwise.hpp"

#include "kernels/cuda/cuda_ops.hpp"

namespace troupe::kernels::cuda {

void CudaOps::silu_mul(Queue& queue, Tensor gate, const Tensor& up) {
  CHECK(gate.elements() == up.elements(), "shapes of silu_mul");
  stream_of(queue).launch(
      blocks_of<SiluMul>(gate.elements()),
      SiluMul{.gate = gate.as<float>(), .up = up.as<float>(), .elements = gate.elements()});
}

void CudaOps::add(Queue& queue, Tensor x, const Tensor& y) {
  CHECK(x.elements() == y.elements(), "shapes of add");
  stream_of(queue).launch(blocks_of<Add>(x.elements()),
                          Add{.x = x.as<float>(), .y = y.as<float>(), .elements = x.elements()});
}

void CudaOps::add_row(Queue& queue, Tensor x, const Tensor& row) {
  CHECK(x.row_elements() == row.elements(), "shapes of add_row");
  stream_of(queue).launch(
      blocks_of<AddRow>(x.elements()),
      AddRow{.x = x.as<float>(), .row = row.as<float>(), .elements = x.elements(), .n = row.elements()});
}

void CudaOps::weighted_sum(Queue& queue, const Tensor& rows, const Routing& routing, Tensor out) {
  const std::int64_t slots = routing.weights.row_elements(), n = out.row_elements();
  CHECK(slots >= 1 && routing.weights.rows() == out.rows(), "shapes of weighted_sum");
  CHECK(rows.row_elements() == n && rows.rows() >= out.rows() * slots, "rows of weighted_sum");
  stream_of(queue).launch(blocks_of<WeightedSum>(out.elements()),
                          WeightedSum{.rows = rows.as<float>(),
                                      .weights = routing.weights.as<float>(),
                                      .tokens = out.rows(),
                                      .slots = slots,
                                      .n = n,
                                      .out = out.as<float>()});
}

}  // namespace troupe::kernels::cuda
