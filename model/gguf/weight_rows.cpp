#include "model/gguf/weight_rows.hpp"

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
  if (!kernels::is_scaled(stored_.dtype)) return;
  const Fp8Blocks blocks = *stored_.scale_blocks;
  const StoredTensor& scales = checkpoint.tensor(name + "_scale_inv");
  const std::size_t size = kernels::size_of(scales.dtype);
  for (std::size_t at = 0; at < scales.bytes.size(); at += size)
    scales_.push_back(to_float(scales.dtype, &scales.bytes[at]));
  if (!all_finite(scales)) refuse("_scale_inv");
  scaled_ = {.dtype = stored_.dtype,
             .rows = 1,
             .cols = columns_,
             .scales = scales_.data(),
             .scale_stride = scales.shape.back(),
             .block_rows = blocks.rows,
             .block_cols = blocks.cols};
}

void WeightRows::refuse(const char* part) const {
  throw Error("the tensor holds a NaN or an infinity", where_ + part,
              "download or convert the checkpoint again");
}

void WeightRows::read(std::int64_t row, std::span<float> out) const {
  std::vector<std::byte> room;
  const auto stored = stored_.row(row, 0, columns_, room);
  if (!all_finite(stored_.dtype, stored)) refuse("");
  const auto order = stored_.order();
  if (scaled_.scales == nullptr && order.empty()) return dequantise(stored_.dtype, stored, out);
  kernels::Weight w = scaled_;
  w.data = stored.data();
  w.dtype = stored_.dtype;
  w.rows = 1;
  w.cols = columns_;
  w.row0 = row;
  for (std::int64_t c = 0; c < columns_; ++c)
    out[std::size_t(order.empty() ? c : order[std::size_t(c)])] = kernels::dequantise(w, 0, c);
}

}  // namespace troupe::model
