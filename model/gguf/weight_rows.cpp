#include "model/gguf/weight_rows.hpp"

#include <cstring>

#include "kernels/weights.hpp"
#include "model/checkpoint/finite.hpp"
#include "model/gguf/quantise.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

WeightRows::WeightRows(const Checkpoint& checkpoint, const std::string& name)
    : stored_(checkpoint.tensor(name)),
      where_(checkpoint.folder().string() + ": " + name),
      columns_(stored_.shape.back()),
      rows_(columns_ == 0 ? 0 : stored_.elements() / columns_) {
  if (stored_.dtype != kernels::DType::f8_e4m3) return;
  const Fp8Blocks blocks = *checkpoint.config().fp8;
  const StoredTensor& scales = checkpoint.tensor(name + "_scale_inv");
  scales_.resize(std::size_t(scales.elements()));
  std::memcpy(scales_.data(), scales.bytes.data(), scales.bytes.size());
  scaled_ = {.data = stored_.bytes.data(),
             .dtype = stored_.dtype,
             .rows = rows_,
             .cols = columns_,
             .scales = scales_.data(),
             .scale_stride = scales.shape.back(),
             .block_rows = blocks.rows,
             .block_cols = blocks.cols};
}

void WeightRows::read(std::int64_t row, std::span<float> out) const {
  const std::size_t bytes = kernels::row_bytes(stored_.dtype, columns_);
  const auto stored = stored_.bytes.subspan(std::size_t(stored_.stored_row(row)) * bytes, bytes);
  if (!all_finite(stored_.dtype, stored))
    throw Error("the tensor holds a NaN or an infinity", where_, "download or convert the checkpoint again");
  if (scaled_.scales == nullptr) return dequantise(stored_.dtype, stored, out);
  for (std::int64_t c = 0; c < columns_; ++c) out[std::size_t(c)] = kernels::dequantise(scaled_, row, c);
}

}  // namespace troupe::model
