#include "model/checkpoint/quantised/integer_groups.hpp"

#include <numeric>

namespace troupe::model {

using kernels::DType;

ColumnGroups::ColumnGroups(std::int64_t cols, std::int64_t group, const StoredTensor& of_columns,
                           std::string_view name, const WeightParts& parts)
    : ColumnGroups(cols, group) {
  std::vector<std::int64_t> sizes;
  sizes.resize(std::size_t(count()));
  const auto group_of = [&](std::int64_t column) { return element<std::int32_t>(of_columns.bytes, column); };
  bool in_order = true;
  for (std::int64_t c = 0; c < cols; ++c) {
    const std::int32_t of = group_of(c);
    if (of < 0 || of >= count())
      parts.fail(name, "has column " + std::to_string(c) + " in group " + std::to_string(of) + " of " +
                           std::to_string(count()));
    ++sizes[std::size_t(of)];
    in_order = in_order && of == c / size_;
  }
  if (in_order) return;
  for (std::int64_t g = 0; g < count(); ++g)
    if (const std::int64_t size = std::min(size_, cols - g * size_); sizes[std::size_t(g)] != size)
      parts.fail(name, "has " + std::to_string(sizes[std::size_t(g)]) + " columns in group " +
                           std::to_string(g) + " instead of " + std::to_string(size));
  order_.resize(std::size_t(cols));
  std::iota(order_.begin(), order_.end(), 0);
  std::ranges::stable_sort(order_, {}, group_of);
}

DType integer_type(int bits, const ColumnGroups& groups, bool symmetric, DType scales) {
  const bool large = groups.count() == 1 || groups.size() % 128 == 0;
  if (large) return bits == 8 ? DType::i8_128 : DType::i4_128;
  if (bits == 8) return DType::i8_32;
  if (symmetric && scales == DType::f16) return DType::q4_0;
  return symmetric && scales == DType::bf16 ? DType::i4_bf16 : DType::i4_32;
}

}  // namespace troupe::model
