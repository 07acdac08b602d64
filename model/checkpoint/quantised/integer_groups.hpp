// Integers by groups of columns that share a scale and a zero point: what GPTQ, AWQ and compressed-tensors have in common.
#pragma once

#include "model/checkpoint/quantised/block_rows.hpp"
#include "model/checkpoint/quantised/weight_parts.hpp"
#include "model/quantisation.hpp"

namespace troupe::model {

// The columns of a weight by the groups whose scales they have: group g has the stored columns from g * size() on.
class ColumnGroups {
 public:
  // group: so many columns, one after another; 0: all.
  ColumnGroups(std::int64_t cols, std::int64_t group) : cols_(cols), size_(group == 0 ? cols : group) {}
  // The same with the group of each column, [cols], from the part of this name. Throws Error for one that there is not, and
  // for groups of other sizes.
  ColumnGroups(std::int64_t cols, std::int64_t group, const StoredTensor& of_columns, std::string_view name,
               const WeightParts& parts);

  std::int64_t count() const { return (cols_ + size_ - 1) / size_; }
  std::int64_t size() const { return size_; }
  // See PackedRows.
  const std::vector<std::int32_t>& order() const { return order_; }

 private:
  std::int64_t cols_, size_;
  std::vector<std::int32_t> order_;
};

// Blocks that no group's end cuts. Integers of 4 bits with no zero points need less by 32 columns.
kernels::DType integer_type(int bits, const ColumnGroups& groups, bool symmetric, kernels::DType scales);

// Codes has, by row, and column or group:
//   unsigned code(row, column), unsigned zero(row, group), std::int64_t scale(row, group)   the scale's place in scales
// where code and zero are counted from the least.
template <class Codes>
class IntegerGroups {
 public:
  // group: so many stored columns.
  IntegerGroups(kernels::DType type, int bits, std::int64_t group, const StoredTensor& scales, Codes codes)
      : type_(type), less_(bits == 8 ? 128 : 0), group_(group), scales_(scales), codes_(std::move(codes)) {}

  unsigned code(std::int64_t row, std::int64_t column) const {
    return (codes_.code(row, column) - less_) & 0xff;
  }
  void share(std::int64_t row, std::int64_t stored, std::byte* block) const {
    const std::int64_t group = stored / group_;
    const std::size_t size = kernels::size_of(scales_.dtype);
    const std::byte* const scale = scales_.bytes.data() + std::size_t(codes_.scale(row, group)) * size;
    if (!kernels::has_zero(type_)) {
      std::memcpy(block, scale, size);
      return;
    }
    const float step = to_float(scales_.dtype, scale);
    std::memcpy(block, &step, sizeof step);
    block[kernels::zero_of_block.byte] = std::byte((codes_.zero(row, group) - less_) & 0xff);
  }

 private:
  kernels::DType type_;
  unsigned less_;
  std::int64_t group_;
  StoredTensor scales_;
  Codes codes_;
};

template <class Codes>
StoredTensor integers(int bits, bool symmetric, std::int64_t rows, std::int64_t cols,
                      const ColumnGroups& groups, const StoredTensor& scales, Codes codes) {
  const kernels::DType type = integer_type(bits, groups, symmetric, scales.dtype);
  return in_blocks_of(type, rows, cols,
                      IntegerGroups<Codes>(type, bits, groups.size(), scales, std::move(codes)),
                      groups.order());
}

// Numbers of so many bits, from the least significant of an I32 on.
inline unsigned bits_of(std::uint32_t word, std::int64_t place, int bits) {
  return word >> place * bits & ((1u << bits) - 1);
}
inline unsigned in_word(const StoredTensor& words, std::int64_t word, std::int64_t place, int bits) {
  return bits_of(element<std::uint32_t>(words.bytes, word), place, bits);
}

}  // namespace troupe::model
