// E4M3 with scales by tensor, row, group of columns or block: vLLM's "fp8", compressed-tensors' "float-quantized", ModelOpt's
// "FP8". They stay what they are, and the scales have the name that DeepSeek gave them.
#include "model/checkpoint/quantised/quantised_weights.hpp"

namespace troupe::model {

using kernels::DType;

void join_fp8(const Quantisation& quantisation, WeightParts& parts) {
  StoredTensor weight = parts.matrix("weight", {DType::f8_e4m3});
  const std::int64_t rows = weight.shape[0], cols = weight.shape[1];
  const auto extent = [](std::int64_t wanted, std::int64_t all) {
    return std::max<std::int64_t>(1, wanted == 0 ? all : wanted);
  };
  const Fp8Blocks blocks{extent(quantisation.scale_rows, rows), extent(quantisation.scale_cols, cols)};
  const std::vector<std::int64_t> shape{(rows + blocks.rows - 1) / blocks.rows,
                                        (cols + blocks.cols - 1) / blocks.cols};
  StoredTensor scales = parts.get("weight_scale", float_types);
  // One number has no shape, or [1]; those of rows may be a list.
  const bool list = shape[1] == 1 && scales.shape.size() < 2 && scales.elements() == shape[0];
  if (!list && scales.shape != shape)
    parts.fail("weight_scale", "has shape " + shape_text(scales.shape) + "; quantization_config calls for " +
                                   shape_text(shape));
  scales.shape = shape;
  weight.scale_blocks = blocks;
  parts.become(std::move(weight), std::move(scales));
}

}  // namespace troupe::model
