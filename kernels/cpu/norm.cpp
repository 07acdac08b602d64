#include <cmath>

#include "kernels/cpu/cpu_ops.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/norm.cpp"
#include "kernels/cpu/targets.hpp"
// Highway after the choice of targets.
#include <hwy/foreach_target.h>

#include "kernels/cpu/lanes-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

void rms_norm(const float* x, const float* weight, std::int64_t n, float epsilon, float* out) {
  Lanes squares = zero();
  each_chunk(n, [&](std::int64_t i, std::int64_t length) LANES_INLINE {
    const Lanes y = load_part(x + i, length);
    squares = multiply_add(y, y, squares);
  });
  const Lanes factor = broadcast(1 / std::sqrt(sum(squares) / float(n) + epsilon));
  each_chunk(n, [&](std::int64_t i, std::int64_t length) LANES_INLINE {
    const Lanes y = multiply(load_part(x + i, length), factor);
    store_part(multiply(y, load_part(weight + i, length)), out + i, length);
  });
}

void layer_norm(const float* x, const float* weight, const float* bias, std::int64_t n, float epsilon,
                float* out) {
  Lanes all = zero(), squares = zero();
  each_chunk(
      n, [&](std::int64_t i, std::int64_t length) LANES_INLINE { all = add(all, load_part(x + i, length)); });
  const float mean = sum(all) / float(n);
  each_chunk(n, [&](std::int64_t i, std::int64_t length) LANES_INLINE {
    const Lanes y = add(load_part(x + i, length, mean), broadcast(-mean));
    squares = multiply_add(y, y, squares);
  });
  const Lanes factor = broadcast(1 / std::sqrt(sum(squares) / float(n) + epsilon));
  each_chunk(n, [&](std::int64_t i, std::int64_t length) LANES_INLINE {
    const Lanes y = multiply(add(load_part(x + i, length), broadcast(-mean)), factor);
    store_part(add(multiply(y, load_part(weight + i, length)), load_part(bias + i, length)), out + i, length);
  });
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace troupe::kernels {
namespace {

HWY_EXPORT(rms_norm);
HWY_EXPORT(layer_norm);

}  // namespace

void CpuOps::rms_norm(Queue&, const Tensor& x, const Tensor& weight, float epsilon, Tensor out) {
  const std::int64_t n = weight.elements(), stride = x.row_elements();
  CHECK(stride >= n && out.row_elements() == n && out.rows() == x.rows(), "shapes of rms_norm");
  CHECK(out.raw() != x.raw() || stride == n, "rms_norm in place on wider rows");
  each_row(x.rows(), n, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) HWY_DYNAMIC_DISPATCH(rms_norm)
    (x.as<float>() + t * stride, weight.as<float>(), n, epsilon, out.as<float>() + t * n);
  });
}

void CpuOps::layer_norm(Queue&, const Tensor& x, const Tensor& weight, const Tensor& bias, float epsilon,
                        Tensor out) {
  const std::int64_t n = weight.elements();
  CHECK(x.row_elements() == n && bias.elements() == n, "shapes of layer_norm");
  CHECK(out.row_elements() == n && out.rows() == x.rows(), "shapes of layer_norm");
  each_row(x.rows(), n, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) HWY_DYNAMIC_DISPATCH(layer_norm)
    (x.as<float>() + t * n, weight.as<float>(), bias.as<float>(), n, epsilon, out.as<float>() + t * n);
  });
}

}  // namespace troupe::kernels
#endif  // HWY_ONCE
