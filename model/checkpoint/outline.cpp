#include "model/checkpoint/outline.hpp"

#include "kernels/tensor.hpp"
#include "model/graphs/storage.hpp"

namespace troupe::model {

using kernels::DType;

namespace {

LocatedTensor outlined(DType dtype, std::vector<std::int64_t> shape) {
  StoredTensor tensor{.dtype = dtype, .shape = std::move(shape)};
  const std::size_t bytes = std::size_t(tensor.elements()) * kernels::size_of(dtype);
  // Null and an offset are nothing to a sanitizer.
  tensor.bytes = {reinterpret_cast<const std::byte*>(Storage::alignment), bytes};
  return {std::move(tensor), "config.json"};
}

DType published_type(const ExpectedTensor& tensor, const ModelConfig& config) {
  if (tensor.may_be_fp8 && config.fp8) return DType::f8_e4m3;
  return tensor.name.ends_with("e_score_correction_bias") ? DType::f32 : DType::bf16;
}

}  // namespace

LocatedTensors outlined_tensors(const ModelConfig& config) {
  CHECK(!config.quantisation, "which weights are quantised the files alone show");
  LocatedTensors tensors;
  for (const ExpectedTensor& expected : expected_tensors(config)) {
    if (!expected.required) continue;
    LocatedTensor tensor = outlined(published_type(expected, config), expected.shape);
    if (tensor.stored.dtype == DType::f8_e4m3) {
      tensor.stored.scale_blocks = config.fp8;
      const ExpectedTensor scale = expected.scale(*config.fp8);
      tensors.emplace(scale.name, outlined(DType::f32, scale.shape));
    }
    tensors.emplace(expected.name, std::move(tensor));
  }
  return tensors;
}

}  // namespace troupe::model
