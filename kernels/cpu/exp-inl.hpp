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

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

// exp(n ln 2 + r) = 2^n exp(r), |r| <= ln(2)/2; the polynomial is that of Cephes' expf. Results under the
// least normal number are 0; NaN stays NaN.
template <class Vector>
HWY_INLINE Vector exp(Vector x) {
  using Float = hn::DFromV<Vector>;
  const Float d;
  const hn::RebindToSigned<Float> whole;
  const auto n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504f)));
  auto r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  auto p = hn::Set(d, 1.9875691500e-4f);
  p = hn::MulAdd(p, r, hn::Set(d, 1.3981999507e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 8.3334519073e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.1665795894e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.6666665459e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 5.0000001201e-1f));
  p = hn::Add(hn::MulAdd(p, hn::Mul(r, r), r), hn::Set(d, 1.0f));
  // In two steps, since 2^128 is no number.
  const auto exponent = hn::ConvertTo(whole, n);
  const auto half = hn::ShiftRight<1>(exponent);
  auto power_of_two = [&](auto e) LANES_INLINE {
    return hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(e, hn::Set(whole, 127))));
  };
  p = hn::Mul(hn::Mul(p, power_of_two(half)), power_of_two(hn::Sub(exponent, half)));
  p = hn::IfThenElse(hn::Lt(x, hn::Set(d, -87.33654f)), hn::Zero(d), p);
  return hn::IfThenElse(hn::Gt(x, hn::Set(d, 88.72283f)), hn::Set(d, std::numeric_limits<float>::infinity()),
                        p);
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
