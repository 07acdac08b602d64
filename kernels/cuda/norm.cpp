#include "kernels/cuda/norm.hpp"

#include "kernels/cuda/cuda_ops.hpp"

namespace troupe::kernels::cuda {

void CudaOps::rms_norm(Queue& queue, const Tensor& x, const Tensor& weight, float epsilon, Tensor out) {
  const std::int64_t n = weight.elements(), stride = x.row_elements();
  CHECK(stride >= n && out.row_elements() == n && out.rows() == x.rows(), "shapes of rms_norm");
  CHECK(out.raw() != x.raw() || stride == n, "rms_norm in place on wider rows");
  stream_of(queue).launch({.x = x.rows()}, RmsNorm{.x = x.as<float>(),
                                                   .stride = stride,
                                                   .weight = weight.as<float>(),
                                                   .n = n,
                                                   .epsilon = epsilon,
                                                   .out = out.as<float>()});
}

void CudaOps::layer_norm(Queue& queue, const Tensor& x, const Tensor& weight, const Tensor& bias,
                         float epsilon, Tensor out) {
  const std::int64_t n = weight.elements();
  CHECK(x.row_elements() == n && bias.elements() == n, "shapes of layer_norm");
  CHECK(out.row_elements() == n && out.rows() == x.rows(), "shapes of layer_norm");
  stream_of(queue).launch({.x = x.rows()}, LayerNorm{.x = x.as<float>(),
                                                     .weight = weight.as<float>(),
                                                     .bias = bias.as<float>(),
                                                     .n = n,
                                                     .epsilon = epsilon,
                                                     .out = out.as<float>()});
}

}  // namespace troupe::kernels::cuda
