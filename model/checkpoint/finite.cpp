#include "model/checkpoint/finite.hpp"

#include <cstdint>
#include <cstring>

#include "kernels/block_formats.hpp"

namespace troupe::model {

using kernels::DType;

namespace {

// A lane of width bits is NaN or infinite when its exponent is all ones (E4M3: exponent and fraction): then,
// and only then, adding the exponent's lowest bit reaches the sign's place. All lanes of a word at once.
struct FiniteTest {
  std::uint64_t exponent, lowest, sign;
};
constexpr FiniteTest finite_test(DType dtype) {
  constexpr std::uint64_t bytes = 0x0101010101010101, halves = 0x0001000100010001, words = 0x0000000100000001;
  switch (dtype) {
    case DType::f8_e4m3:
      return {bytes * 0x7f, bytes * 0x01, bytes * 0x80};
    case DType::bf16:
      return {halves * 0x7f80, halves * 0x0080, halves * 0x8000};
    case DType::f16:
      return {halves * 0x7c00, halves * 0x0400, halves * 0x8000};
    case DType::f32:
      return {words * 0x7f800000, words * 0x00800000, words * 0x80000000};
    default:
      break;
  }
  CHECK(false, "a weight that is not a floating-point tensor");
  return {};
}

// The halves that a block's columns share; all else of it are small integers.
bool blocks_finite(DType dtype, std::span<const std::byte> bytes) {
  const std::size_t block = kernels::storage_unit(dtype).bytes;
  bool finite = true;
  for (const kernels::Factor& factor : {kernels::step_at(dtype, 0), kernels::minimum_at(dtype, 0)})
    for (std::size_t at = 0; factor.half >= 0 && at < bytes.size(); at += block)
      finite = finite && all_finite(DType::f16, bytes.subspan(at + std::size_t(factor.half), 2));
  return finite;
}

}  // namespace

bool all_finite(DType dtype, std::span<const std::byte> bytes) {
  if (kernels::in_blocks(dtype)) return blocks_finite(dtype, bytes);
  const FiniteTest test = finite_test(dtype);
  std::uint64_t reached = 0, word = 0;
  std::size_t at = 0;
  for (; at + sizeof word <= bytes.size(); at += sizeof word) {
    std::memcpy(&word, bytes.data() + at, sizeof word);
    reached |= (word & test.exponent) + test.lowest;
  }
  word = 0;
  std::memcpy(&word, bytes.data() + at, bytes.size() - at);
  reached |= (word & test.exponent) + test.lowest;
  return (reached & test.sign) == 0;
}

}  // namespace troupe::model
