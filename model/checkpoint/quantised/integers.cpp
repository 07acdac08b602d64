// compressed-tensors' integers: weight in I8, or weight_packed [rows, cols * bits / 32 upwards], a word has so many columns,
// with weight_shape; weight_scale by rows and groups; weight_zero_point likewise, in I8, or of packed weights in words of
// so many rows [rows * bits / 32 upwards, groups]; weight_g_idx [cols], the group of each column. Packed numbers are
// counted from the least.
#include "model/checkpoint/quantised/integer_groups.hpp"
#include "model/checkpoint/quantised/quantised_weights.hpp"

namespace troupe::model {

using kernels::DType;

namespace {

struct CompressedCodes {
  StoredTensor numbers, zeros;  // zeros may have no bytes: all are in the middle
  std::int64_t groups;
  bool one_scale;  // for all rows
  int bits;

  unsigned code(std::int64_t row, std::int64_t column) const {
    const std::int64_t width = numbers.shape.back();
    if (numbers.dtype == DType::i8) return from_least(numbers, row * width + column);
    const std::int64_t together = 32 / bits;
    return in_word(numbers, row * width + column / together, column % together, bits);
  }
  unsigned zero(std::int64_t row, std::int64_t group) const {
    if (zeros.bytes.empty()) return middle();
    if (zeros.dtype == DType::i8) return from_least(zeros, scale(row, group));
    const std::int64_t together = 32 / bits;
    return in_word(zeros, row / together * groups + group, row % together, bits);
  }
  std::int64_t scale(std::int64_t row, std::int64_t group) const {
    return one_scale ? 0 : row * groups + group;
  }

 private:
  unsigned middle() const { return 1u << (bits - 1); }
  unsigned from_least(const StoredTensor& tensor, std::int64_t i) const {
    return unsigned(element<std::int8_t>(tensor.bytes, i) + int(middle())) & ((1u << bits) - 1);
  }
};

// Groups of -1 were never set: columns are in order.
bool tells_of_groups(const StoredTensor& of_columns) {
  for (std::int64_t c = 0; c < of_columns.elements(); ++c)
    if (element<std::int32_t>(of_columns.bytes, c) != -1) return true;
  return false;
}

std::int64_t words_of(std::int64_t count, int bits) {
  return (count * bits + 31) / 32;
}

// [rows, cols] of packed weights.
std::pair<std::int64_t, std::int64_t> packed_shape(WeightParts& parts, const StoredTensor& words, int bits) {
  const StoredTensor& shape = parts.shaped("weight_shape", {DType::i32, DType::i64}, {2});
  const auto extent = [&](std::int64_t i) {
    return shape.dtype == DType::i32 ? element<std::int32_t>(shape.bytes, i)
                                     : element<std::int64_t>(shape.bytes, i);
  };
  const std::int64_t rows = extent(0), cols = extent(1);
  if (rows != words.shape[0] || cols < 0 || cols > 8 * most_extent || words_of(cols, bits) != words.shape[1])
    parts.fail("weight_shape", "is " + shape_text(std::vector{rows, cols}) +
                                   ", and weight_packed has shape " + shape_text(words.shape));
  return {rows, cols};
}

// By rows and groups; [rows] is taken for [rows, 1], and one number for all.
const StoredTensor& scales_of(WeightParts& parts, bool one, std::int64_t rows, std::int64_t groups) {
  const StoredTensor& found = parts.get("weight_scale", float_types);
  const bool fits = one ? found.elements() == 1
                        : found.elements() == rows * groups && !found.shape.empty() && found.shape[0] == rows;
  if (!fits)
    parts.fail("weight_scale", "has shape " + shape_text(found.shape) + "; quantization_config calls for " +
                                   (one ? "one number" : shape_text(std::vector{rows, groups})));
  return found;
}

StoredTensor zeros_of(WeightParts& parts, const Quantisation& quantisation, std::int64_t rows,
                      std::int64_t groups) {
  if (quantisation.symmetric) return {};
  const bool one = quantisation.scale_rows == 0;
  const StoredTensor& found = parts.get("weight_zero_point", {DType::i8, DType::i32});
  if (found.dtype == DType::i32)
    return parts.shaped("weight_zero_point", {DType::i32}, {words_of(rows, quantisation.bits), groups});
  if (found.elements() != (one ? 1 : rows * groups))
    parts.fail("weight_zero_point",
               "has shape " + shape_text(found.shape) + "; there must be one for each scale");
  return found;
}

}  // namespace

void join_integers(const Quantisation& quantisation, WeightParts& parts) {
  const bool packed = quantisation.form == QuantisedForm::packed_integers;
  const StoredTensor& numbers =
      packed ? parts.matrix("weight_packed", {DType::i32}) : parts.matrix("weight", {DType::i8});
  const auto [rows, cols] = packed ? packed_shape(parts, numbers, quantisation.bits)
                                   : std::pair(numbers.shape[0], numbers.shape[1]);
  ColumnGroups groups(cols, quantisation.scale_cols);
  if (parts.find("weight_g_idx")) {
    const StoredTensor& of_columns = parts.shaped("weight_g_idx", {DType::i32}, {cols});
    if (tells_of_groups(of_columns))
      groups = ColumnGroups(cols, quantisation.scale_cols, of_columns, "weight_g_idx", parts);
  }
  const bool one_scale = quantisation.scale_rows == 0;
  const StoredTensor& scales = scales_of(parts, one_scale, rows, groups.count());
  const StoredTensor zeros = zeros_of(parts, quantisation, rows, groups.count());
  parts.become(integers(quantisation.bits, quantisation.symmetric, rows, cols, groups, scales,
                        CompressedCodes{numbers, zeros, groups.count(), one_scale, quantisation.bits}));
}

}  // namespace troupe::model
