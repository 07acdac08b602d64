#include "model/checkpoint/synth_values.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/number_formats.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

using kernels::DType;

namespace {

// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

std::uint64_t word(std::uint64_t key, std::uint64_t counter) {
  return mix(key + counter * 0x9e3779b97f4a7c15);
}

float fp8_value(std::uint8_t code) {
  const int exponent = (code >> 3) & 15, mantissa = code & 7;
  const float magnitude =
      exponent == 0 ? std::ldexp(float(mantissa), -9) : std::ldexp(float(8 + mantissa), exponent - 10);
  return code & 0x80 ? -magnitude : magnitude;
}

// A random byte as the FP8 code nearest to a point of 256 spread evenly over the range.
std::array<std::uint8_t, 256> uniform_fp8_codes() {
  std::array<std::uint8_t, 256> codes{};
  for (int byte = 0; byte < 256; ++byte) {
    const float wanted = float(2 * byte - 255) / 256 * fp8_largest;
    float nearest = 2 * fp8_largest;  // distance
    for (int code = 0; code < 256; ++code) {
      if ((code & 0x7f) == 0x7f) continue;  // not a number
      const float distance = std::fabs(fp8_value(std::uint8_t(code)) - wanted);
      if (distance < nearest) {
        nearest = distance;
        codes[std::size_t(byte)] = std::uint8_t(code);
      }
    }
  }
  return codes;
}

// Calls element(i, bits) with the low `lane_bits` bits of each lane of the words.
template <int lane_bits, class Element>
void for_lanes(std::uint64_t key, std::uint64_t first, std::size_t count, Element element) {
  constexpr std::size_t lanes = 64 / lane_bits;
  constexpr std::uint64_t mask = (std::uint64_t(1) << lane_bits) - 1;
  for (std::size_t i = 0; i < count; i += lanes) {
    std::uint64_t bits = word(key, (first + i) / lanes);
    for (std::size_t lane = 0; lane < std::min(lanes, count - i); ++lane, bits >>= lane_bits) {
      element(i + lane, std::uint32_t(bits & mask));
    }
  }
}

}  // namespace

std::uint64_t synth_key(std::uint64_t seed, std::string_view tensor) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : tensor) hash = (hash ^ std::uint8_t(c)) * 0x100000001b3;
  return mix(hash ^ mix(seed));
}

void fill_synth(const SynthValues& values, std::uint64_t first, std::span<std::byte> out) {
  CHECK(first % synth_step == 0);
  const std::size_t count = out.size() / kernels::size_of(values.dtype);
  const auto value = [&](std::uint32_t bits) {
    const float uniform = float(int(2 * bits + 1) - 65536) / 65536;  // exact
    return values.centre + values.bound * uniform;
  };
  if (values.dtype == DType::f8_e4m3) {
    static const std::array<std::uint8_t, 256> codes = uniform_fp8_codes();
    for_lanes<8>(values.key, first, count,
                 [&](std::size_t i, std::uint32_t bits) { out[i] = std::byte(codes[bits]); });
  } else if (values.dtype == DType::bf16) {
    for_lanes<16>(values.key, first, count, [&](std::size_t i, std::uint32_t bits) {
      const std::uint16_t rounded = kernels::encode_bf16(value(bits));
      std::memcpy(out.data() + i * sizeof(rounded), &rounded, sizeof(rounded));
    });
  } else {
    CHECK(values.dtype == DType::f32, "no random values of this type");
    for_lanes<16>(values.key, first, count, [&](std::size_t i, std::uint32_t bits) {
      const float exact = value(bits);
      std::memcpy(out.data() + i * sizeof(exact), &exact, sizeof(exact));
    });
  }
}

}  // namespace troupe::model
