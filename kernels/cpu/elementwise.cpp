#include "kernels/cpu/cpu_ops.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/elementwise.cpp"
#include "kernels/cpu/targets.hpp"
// Highway after the choice of targets.
#include <hwy/foreach_target.h>

#include "kernels/cpu/exp-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

void silu_mul(float* gate, const float* up, std::int64_t n) {
  each_chunk(n, [&](std::int64_t i, std::int64_t length) LANES_INLINE {
    store_part(multiply(silu(load_part(gate + i, length)), load_part(up + i, length)), gate + i, length);
  });
}

void add_to(float* x, const float* y, std::int64_t n) {
  each_chunk(n, [&](std::int64_t i, std::int64_t length) LANES_INLINE {
    store_part(add(load_part(x + i, length), load_part(y + i, length)), x + i, length);
  });
}

// out = the sum of slots rows of n elements, each times its weight, in order.
void weighted_sum(const float* rows, const float* weights, std::int64_t slots, std::int64_t n, float* out) {
  each_chunk(n, [&](std::int64_t i, std::int64_t length) LANES_INLINE {
    Lanes total = multiply(broadcast(weights[0]), load_part(rows + i, length));
    for (std::int64_t s = 1; s < slots; ++s)
      total = multiply_add(broadcast(weights[s]), load_part(rows + s * n + i, length), total);
    store_part(total, out + i, length);
  });
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace troupe::kernels {
namespace {

HWY_EXPORT(silu_mul);
HWY_EXPORT(add_to);
HWY_EXPORT(weighted_sum);

}  // namespace

void CpuOps::silu_mul(Queue&, Tensor gate, const Tensor& up) {
  CHECK(gate.elements() == up.elements(), "shapes of silu_mul");
  float* const g = gate.as<float>();
  const float* const u = up.as<float>();
  each_row(gate.elements(), 4, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(silu_mul)(g + begin, u + begin, end - begin);
  });
}

void CpuOps::add(Queue&, Tensor x, const Tensor& y) {
  CHECK(x.elements() == y.elements(), "shapes of add");
  float* const to = x.as<float>();
  const float* const from = y.as<float>();
  each_row(x.elements(), 1, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(add_to)(to + begin, from + begin, end - begin);
  });
}

void CpuOps::add_row(Queue&, Tensor x, const Tensor& row) {
  const std::int64_t n = row.elements();
  CHECK(x.row_elements() == n, "shapes of add_row");
  each_row(x.rows(), n, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t)
      HWY_DYNAMIC_DISPATCH(add_to)(x.as<float>() + t * n, row.as<float>(), n);
  });
}

void CpuOps::weighted_sum(Queue&, const Tensor& rows, const Routing& routing, Tensor out) {
  const std::int64_t slots = routing.weights.row_elements(), n = out.row_elements();
  CHECK(slots >= 1 && routing.weights.rows() == out.rows(), "shapes of weighted_sum");
  CHECK(rows.row_elements() == n && rows.rows() >= out.rows() * slots, "rows of weighted_sum");
  each_row(out.rows(), slots * n, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) HWY_DYNAMIC_DISPATCH(weighted_sum)
    (rows.as<float>() + t * slots * n, routing.weights.as<float>() + t * slots, slots, n,
     out.as<float>() + t * n);
  });
}

}  // namespace troupe::kernels
#endif  // HWY_ONCE
