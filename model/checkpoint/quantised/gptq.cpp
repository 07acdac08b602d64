// GPTQ (Frantar et al. 2023) as AutoGPTQ and GPTQModel store it: qweight [cols * bits / 32, rows], a word has so many
// columns of a row; qzeros [groups, rows * bits / 32], a word has so many rows; scales [groups, rows]; g_idx [cols], the
// group of each column. The first format stores a word of zero points less one in each place; where they are 0 places borrow
// from the next, as GPTQModel writes and reads it.
#include "model/checkpoint/quantised/integer_groups.hpp"
#include "model/checkpoint/quantised/quantised_weights.hpp"

namespace troupe::model {

using kernels::DType;

namespace {

struct GptqCodes {
  StoredTensor words, zeros;
  std::int64_t rows;
  int bits;
  std::uint32_t less;  // of a word of zeros

  unsigned code(std::int64_t row, std::int64_t column) const {
    const std::int64_t together = 32 / bits;
    return in_word(words, column / together * rows + row, column % together, bits);
  }
  unsigned zero(std::int64_t row, std::int64_t group) const {
    const std::int64_t together = 32 / bits;
    const auto word = element<std::uint32_t>(zeros.bytes, group * (rows / together) + row / together);
    return bits_of(word + less, row % together, bits);
  }
  std::int64_t scale(std::int64_t row, std::int64_t group) const { return group * rows + row; }
};

// In each place of a word.
std::uint32_t ones(int bits) {
  return bits == 4 ? 0x11111111 : 0x01010101;
}

}  // namespace

void join_gptq(const Quantisation& quantisation, WeightParts& parts) {
  const int bits = quantisation.bits;
  const std::int64_t together = 32 / bits;
  const StoredTensor& words = parts.matrix("qweight", {DType::i32});
  const std::int64_t cols = words.shape[0] * together, rows = words.shape[1];
  if (rows % together != 0)
    parts.fail("qweight", "has " + std::to_string(rows) + " rows, which are no multiple of " +
                              std::to_string(together) + ", so that no words have their zero points");
  ColumnGroups groups(cols, quantisation.scale_cols);
  if (parts.find("g_idx"))
    groups = ColumnGroups(cols, quantisation.scale_cols, parts.shaped("g_idx", {DType::i32}, {cols}), "g_idx",
                          parts);
  const StoredTensor& zeros = parts.shaped("qzeros", {DType::i32}, {groups.count(), rows / together});
  const StoredTensor& scales = parts.shaped("scales", float_types, {groups.count(), rows});
  parts.become(integers(bits, false, rows, cols, groups, scales,
                        GptqCodes{words, zeros, rows, bits, quantisation.zeros_less_one ? ones(bits) : 0}));
}

}  // namespace troupe::model
