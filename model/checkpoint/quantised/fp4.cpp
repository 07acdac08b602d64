// E2M1 in pairs, of which the even column has the lower bits. NVFP4 has an E4M3 scale for 16 columns and one F32 for all:
// ModelOpt's weight_scale_2, which multiplies, or compressed-tensors' weight_global_scale, which divides. MXFP4 has an E8M0
// scale for 32 columns.
#include <cmath>

#include "model/checkpoint/quantised/block_rows.hpp"
#include "model/checkpoint/quantised/quantised_weights.hpp"

namespace troupe::model {

using kernels::DType;

namespace {

struct Fp4Codes {
  StoredTensor pairs, scales;
  std::int64_t group;  // columns of a scale

  unsigned code(std::int64_t row, std::int64_t column) const {
    const auto pair = element<std::uint8_t>(pairs.bytes, row * pairs.shape.back() + column / 2);
    return unsigned(pair) >> column % 2 * 4 & 15;
  }
  void share(std::int64_t row, std::int64_t column, std::byte* block) const {
    const std::int64_t width = scales.shape.back(), first = column / group;
    for (std::int64_t g = first;
         g < std::min(width, first + kernels::storage_unit(DType::nvfp4).columns / group); ++g)
      block[g - first] = scales.bytes[std::size_t(row * width + g)];
  }
};

StoredTensor one_number(float value) {
  const auto memory = std::make_shared<float>(value);
  return {.dtype = DType::f32,
          .shape = {1, 1},
          .bytes = std::as_bytes(std::span(memory.get(), 1)),
          .memory = memory};
}

// What the matrix is multiplied by.
StoredTensor nvfp4_scale(WeightParts& parts, bool packed) {
  const char* const name = packed ? "weight_global_scale" : "weight_scale_2";
  const StoredTensor& scale = parts.get(name, {DType::f32});
  if (scale.elements() != 1)
    parts.fail(name, "has shape " + shape_text(scale.shape) + "; it must be one number");
  const float stored = element<float>(scale.bytes, 0), factor = packed ? 1 / stored : stored;
  if (!std::isfinite(factor))
    parts.fail(name, "is " + std::to_string(stored) +
                         (packed ? ", which scales cannot be divided by" : ", which is no number"));
  return one_number(factor);
}

}  // namespace

void join_fp4(const Quantisation& quantisation, WeightParts& parts) {
  const bool mxfp4 = quantisation.form == QuantisedForm::packed_mxfp4,
             packed = quantisation.form != QuantisedForm::nvfp4;
  const std::int64_t group = mxfp4 ? 32 : 16;
  const StoredTensor& pairs = parts.matrix(packed ? "weight_packed" : "weight", {DType::u8});
  const std::int64_t rows = pairs.shape[0], cols = 2 * pairs.shape[1];
  const std::vector<std::int64_t> by_groups{rows, (cols + group - 1) / group};
  const StoredTensor& scales = parts.shaped("weight_scale", {mxfp4 ? DType::u8 : DType::f8_e4m3}, by_groups);
  StoredTensor weight =
      in_blocks_of(mxfp4 ? DType::mxfp4 : DType::nvfp4, rows, cols, Fp4Codes{pairs, scales, group});
  if (mxfp4) return parts.become(std::move(weight));
  weight.scale_blocks = Fp8Blocks{kernels::whole_matrix, kernels::whole_matrix};
  StoredTensor scale = nvfp4_scale(parts, packed);
  parts.become(std::move(weight), std::move(scale));
}

}  // namespace troupe::model
