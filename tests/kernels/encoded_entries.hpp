// What a cache makes of an entry's numbers, by the definition of each type.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/entry_form.hpp"

namespace troupe::kernels {

inline double value_of_e4m3(int code) {
  const int exponent = code >> 3 & 15, fraction = code & 7;
  return exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10);
}
// Of a magnitude up to 448; an even code where two are as close.
inline int nearest_e4m3(double magnitude) {
  static const auto values = [] {
    std::array<double, 0x7f> all;
    for (int code = 0; code < int(all.size()); ++code) all[std::size_t(code)] = value_of_e4m3(code);
    return all;
  }();
  const auto above = std::ranges::lower_bound(values, magnitude);  // the first that is not less
  const int code = int(above - values.begin());
  if (code == 0) return 0;
  const double to_this = *above - magnitude, to_last = magnitude - above[-1];
  return to_this < to_last || (to_this == to_last && code % 2 == 0) ? code : code - 1;
}

// Of finite numbers.
inline float as_bf16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x) & 0xffff0000;
  const float toward_zero = std::bit_cast<float>(bits), away = std::bit_cast<float>(bits + 0x10000);
  const double below = std::abs(double(x) - toward_zero), above = std::abs(double(away) - double(x));
  return below < above || (below == above && bits % 0x20000 == 0) ? toward_zero : away;
}

// Up to 128 numbers that share a scale.
inline void append_e4m3s(const float* from, std::int64_t n, std::vector<float>& out) {
  float largest = 0;
  for (std::int64_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(from[i]));
  const float scale = largest == 0 ? 1 : std::max(largest / 448, std::numeric_limits<float>::min());
  for (std::int64_t i = 0; i < n; ++i) {
    const auto code = float(value_of_e4m3(nearest_e4m3(std::min(std::abs(from[i] / scale), 448.0f))));
    out.push_back(std::copysign(code, from[i]) * scale);
  }
}

inline void append_decoded(const EntryPart& part, const float* from, std::vector<float>& out) {
  for (std::int64_t i = 0; i < part.elements && part.type != DType::f8_e4m3; ++i)
    out.push_back(part.type == DType::bf16 ? as_bf16(from[i]) : from[i]);
  for (std::int64_t i = 0; i < part.elements && part.type == DType::f8_e4m3; i += 128)
    append_e4m3s(from + i, std::min<std::int64_t>(128, part.elements - i), out);
}

// entries: [n, heads * elements of a head]. The same of what is read from a cache that has them.
inline std::vector<float> decoded(const EntryForm& form, const float* entries, std::int64_t n) {
  std::vector<float> out;
  for (std::int64_t head = 0; head < n * form.heads; ++head) {
    const float* const from = entries + head * form.head_elements();
    append_decoded(form.first, from, out);
    append_decoded(form.second, from + form.first.elements, out);
  }
  return out;
}

}  // namespace troupe::kernels
