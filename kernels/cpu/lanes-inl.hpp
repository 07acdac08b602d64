// Sixteen F32 lanes, in one register or in two: every kernel computes with these, so that the width of
// the machine's vectors does not show in the bytes. Compiled once for each instruction set.

#if defined(TROUPE_KERNELS_CPU_LANES) == defined(HWY_TARGET_TOGGLE)
#ifdef TROUPE_KERNELS_CPU_LANES
#undef TROUPE_KERNELS_CPU_LANES
#else
#define TROUPE_KERNELS_CPU_LANES
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/targets.hpp"
// Highway after the choice of targets.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int lanes = 16;
using D = hn::CappedTag<float, lanes>;
using V = hn::Vec<D>;
constexpr int width = int(hn::MaxLanes(D()));
constexpr int parts = lanes / width;
constexpr bool wide = parts == 1;  // 32 registers of 16 lanes each, instead of 16 of 8

struct Lanes {
  V part[parts];
};

// Applies f(part index) to all parts; f returns the part of the result.
template <class F>
HWY_INLINE Lanes each_part(F f) {
  Lanes result;
#pragma GCC unroll 2
  for (int i = 0; i < parts; ++i) result.part[i] = f(i);
  return result;
}

// Part i of a vector that holds something of all 16 lanes.
template <class Vector>
HWY_INLINE auto part_of(Vector x, int i) {
  if constexpr (parts == 1) {
    return x;
  } else {
    const hn::Half<hn::DFromV<Vector>> half;
    return i == 0 ? hn::LowerHalf(half, x) : hn::UpperHalf(half, x);
  }
}

HWY_INLINE Lanes broadcast(float x) {
  return each_part([&](int) LANES_INLINE { return hn::Set(D(), x); });
}
HWY_INLINE Lanes zero() {
  return each_part([&](int) LANES_INLINE { return hn::Zero(D()); });
}
HWY_INLINE Lanes load(const float* from) {
  return each_part([&](int i) LANES_INLINE { return hn::LoadU(D(), from + i * width); });
}
HWY_INLINE void store(const Lanes& x, float* to) {
#pragma GCC unroll 2
  for (int i = 0; i < parts; ++i) hn::StoreU(x.part[i], D(), to + i * width);
}
HWY_INLINE Lanes add(const Lanes& a, const Lanes& b) {
  return each_part([&](int i) LANES_INLINE { return hn::Add(a.part[i], b.part[i]); });
}
HWY_INLINE Lanes subtract(const Lanes& a, const Lanes& b) {
  return each_part([&](int i) LANES_INLINE { return hn::Sub(a.part[i], b.part[i]); });
}
HWY_INLINE Lanes multiply(const Lanes& a, const Lanes& b) {
  return each_part([&](int i) LANES_INLINE { return hn::Mul(a.part[i], b.part[i]); });
}
// a * b + c, rounded once
HWY_INLINE Lanes multiply_add(const Lanes& a, const Lanes& b, const Lanes& c) {
  return each_part([&](int i) LANES_INLINE { return hn::MulAdd(a.part[i], b.part[i], c.part[i]); });
}
HWY_INLINE Lanes maximum(const Lanes& a, const Lanes& b) {
  return each_part([&](int i) LANES_INLINE { return hn::Max(a.part[i], b.part[i]); });
}

// The first n of up to 16 elements; the lanes after them get `rest`.
HWY_INLINE Lanes load_part(const float* from, std::int64_t n, float rest = 0) {
  if (n == lanes) return load(from);
  float padded[lanes];
  for (int i = 0; i < lanes; ++i) padded[i] = i < n ? from[i] : rest;
  return load(padded);
}
HWY_INLINE void store_part(const Lanes& x, float* to, std::int64_t n) {
  if (n == lanes) return store(x, to);
  float padded[lanes];
  store(x, padded);
  std::memcpy(to, padded, std::size_t(n) * sizeof(float));
}

// f(first index, length) for the chunks of 16, the last one perhaps shorter, that cover n elements.
template <class F>
HWY_INLINE void each_chunk(std::int64_t n, F f) {
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) f(i, std::int64_t{lanes});
  if (i < n) f(i, n - i);
}

// Joins all lanes: lanes 8 apart, then 4, 2, 1.
template <class Join>
HWY_INLINE float join_lanes(const Lanes& x, Join join) {
  const hn::Simd<float, 4, 0> d4;
  auto quarters = [&](int i) LANES_INLINE {  // lanes i*4 to i*4+3 joined with those 8 further
    if constexpr (parts == 1) {
      const hn::Half<D> d8;
      const auto half = join(hn::LowerHalf(d8, x.part[0]), hn::UpperHalf(d8, x.part[0]));
      return i == 0 ? hn::LowerHalf(d4, half) : hn::UpperHalf(d4, half);
    } else {
      const auto half = join(x.part[0], x.part[1]);
      return i == 0 ? hn::LowerHalf(d4, half) : hn::UpperHalf(d4, half);
    }
  };
  auto four = join(quarters(0), quarters(1));
  four = join(four, hn::Shuffle1032(four));
  return hn::GetLane(join(four, hn::Shuffle2301(four)));
}
HWY_INLINE float sum(const Lanes& x) {
  return join_lanes(x, [](auto a, auto b) LANES_INLINE { return hn::Add(a, b); });
}
HWY_INLINE float maximum(const Lanes& x) {
  return join_lanes(x, [](auto a, auto b) LANES_INLINE { return hn::Max(a, b); });
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
