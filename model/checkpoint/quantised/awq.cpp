// AWQ (Lin et al. 2023) as AutoAWQ's "gemm" stores it: qweight [cols, rows / 8] and qzeros [groups, rows / 8], a word has
// eight rows in the order 0, 2, 4, 6, 1, 3, 5, 7; scales [groups, rows].
#include "model/checkpoint/quantised/integer_groups.hpp"
#include "model/checkpoint/quantised/quantised_weights.hpp"

namespace troupe::model {

using kernels::DType;

namespace {

constexpr std::int64_t together = 8;
constexpr std::int64_t place_of[together]{0, 4, 1, 5, 2, 6, 3, 7};

struct AwqCodes {
  StoredTensor words, zeros;
  std::int64_t rows;

  unsigned code(std::int64_t row, std::int64_t column) const { return at(words, column, row); }
  unsigned zero(std::int64_t row, std::int64_t group) const { return at(zeros, group, row); }
  std::int64_t scale(std::int64_t row, std::int64_t group) const { return group * rows + row; }

 private:
  unsigned at(const StoredTensor& tensor, std::int64_t line, std::int64_t row) const {
    return in_word(tensor, line * (rows / together) + row / together, place_of[row % together], 4);
  }
};

}  // namespace

void join_awq(const Quantisation& quantisation, WeightParts& parts) {
  const StoredTensor& words = parts.matrix("qweight", {DType::i32});
  const std::int64_t cols = words.shape[0], rows = words.shape[1] * together;
  const ColumnGroups groups(cols, quantisation.scale_cols);
  const StoredTensor& zeros = parts.shaped("qzeros", {DType::i32}, {groups.count(), rows / together});
  const StoredTensor& scales = parts.shaped("scales", float_types, {groups.count(), rows});
  parts.become(integers(4, false, rows, cols, groups, scales, AwqCodes{words, zeros, rows}));
}

}  // namespace troupe::model
