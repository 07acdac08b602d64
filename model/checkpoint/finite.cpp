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

// The numbers that a block's columns share; all else of it are small integers.
bool blocks_finite(DType dtype, std::span<const std::byte> bytes) {
  const kernels::StorageUnit unit = kernels::storage_unit(dtype);
  const auto is_finite = [&](std::size_t block, const kernels::Factor& factor) {
    const auto at = bytes.subspan(block + std::size_t(factor.begin));
    switch (factor.form) {
      case kernels::FactorForm::f32:
        return all_finite(DType::f32, at.first(4));
      case kernels::FactorForm::bf16:
        return all_finite(DType::bf16, at.first(2));
      case kernels::FactorForm::half_e8m0:
        return at[0] != std::byte(0xff);
      case kernels::FactorForm::half_e4m3_256th:
        return all_finite(DType::f8_e4m3, at.first(1));
      default:
        return all_finite(DType::f16, at.first(2));
    }
  };
  const int groups = dtype == DType::nvfp4 ? int(unit.columns) / kernels::group_columns : 1;
  bool finite = true;
  for (int group = 0; group < groups; ++group)
    for (const kernels::Factor& factor : {kernels::step_at(dtype, group), kernels::minimum_at(dtype, group)})
      for (std::size_t block = 0; factor.begin >= 0 && block < bytes.size(); block += unit.bytes)
        finite = finite && is_finite(block, factor);
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

bool all_finite(const StoredTensor& tensor) {
  if (!tensor.packed) return all_finite(tensor.dtype, tensor.bytes);
  std::vector<std::byte> room;
  for (std::int64_t row = 0; row < tensor.shape.front(); ++row)
    if (!all_finite(tensor.dtype, tensor.row(row, 0, tensor.shape.back(), room))) return false;
  return true;
}

}  // namespace troupe::model
