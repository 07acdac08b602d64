// exp and what is made of it, in F32: within 2 units in the last place, the same bytes on every instruction
// set. Compiled once for each instruction set.

#if defined(TROUPE_KERNELS_CPU_EXP) == defined(HWY_TARGET_TOGGLE)
#ifdef TROUPE_KERNELS_CPU_EXP
#undef TROUPE_KERNELS_CPU_EXP
#else
#define TROUPE_KERNELS_CPU_EXP
#endif

#include <limits>

#include "kernels/cpu/lanes-inl.hpp"
#include "kernels/exponential.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

// See kernels/exponential.hpp. NaN stays NaN.
template <class Vector>
HWY_INLINE Vector exp(Vector x) {
  using Float = hn::DFromV<Vector>;
  const Float d;
  const hn::RebindToSigned<Float> whole;
  const auto n = hn::Round(hn::Mul(x, hn::Set(d, exponential::log2_of_e)));
  auto r = hn::NegMulAdd(n, hn::Set(d, exponential::ln2_high), x);
  r = hn::NegMulAdd(n, hn::Set(d, exponential::ln2_low), r);
  auto p = hn::Set(d, exponential::p0);
  p = hn::MulAdd(p, r, hn::Set(d, exponential::p1));
  p = hn::MulAdd(p, r, hn::Set(d, exponential::p2));
  p = hn::MulAdd(p, r, hn::Set(d, exponential::p3));
  p = hn::MulAdd(p, r, hn::Set(d, exponential::p4));
  p = hn::MulAdd(p, r, hn::Set(d, exponential::p5));
  p = hn::Add(hn::MulAdd(p, hn::Mul(r, r), r), hn::Set(d, 1.0f));
  // In two steps, since 2^128 is no number.
  const auto exponent = hn::ConvertTo(whole, n);
  const auto half = hn::ShiftRight<1>(exponent);
  auto power_of_two = [&](auto e) LANES_INLINE {
    return hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(e, hn::Set(whole, 127))));
  };
  p = hn::Mul(hn::Mul(p, power_of_two(half)), power_of_two(hn::Sub(exponent, half)));
  p = hn::IfThenElse(hn::Lt(x, hn::Set(d, exponential::lowest)), hn::Zero(d), p);
  return hn::IfThenElse(hn::Gt(x, hn::Set(d, exponential::highest)),
                        hn::Set(d, std::numeric_limits<float>::infinity()), p);
}

HWY_INLINE Lanes exp(const Lanes& x) {
  return each_part([&](int i) LANES_INLINE { return exp(x.part[i]); });
}
HWY_INLINE float exp(float x) {
  return hn::GetLane(exp(hn::Set(hn::Simd<float, 4, 0>(), x)));
}

// x / (1 + exp(-x)) and 1 / (1 + exp(-x)) are numerator / this.
HWY_INLINE V one_plus_exp_of_minus(V x) {
  return hn::Add(hn::Set(D(), 1.0f), exp(hn::Neg(x)));
}
HWY_INLINE Lanes sigmoid(const Lanes& x) {
  return each_part(
      [&](int i) LANES_INLINE { return hn::Div(hn::Set(D(), 1.0f), one_plus_exp_of_minus(x.part[i])); });
}
HWY_INLINE Lanes silu(const Lanes& x) {
  return each_part([&](int i) LANES_INLINE { return hn::Div(x.part[i], one_plus_exp_of_minus(x.part[i])); });
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
