// How the weights of a checkpoint are quantised: what quantization_config says, checked. Plain data.
#pragma once

#include <cstdint>

namespace troupe::model {

class JsonFields;
struct ModelConfig;

// A form in which files hold a weight of a linear layer in several tensors; model/checkpoint/quantised has a file each.
// Which weights are stored so the files show, and lists of those that are not say nothing more.
enum class QuantisedForm : std::uint8_t {
  fp8,               // weight in E4M3, weight_scale
  integers,          // weight in I8, weight_scale, weight_zero_point
  packed_integers,   // compressed-tensors' weight_packed, weight_scale, weight_zero_point, weight_g_idx
  gptq,              // qweight, qzeros, scales, g_idx
  awq,               // qweight, qzeros, scales
  nvfp4,             // ModelOpt's weight, weight_scale, weight_scale_2
  packed_nvfp4,      // compressed-tensors' weight_packed, weight_scale, weight_global_scale
  packed_mxfp4,      // compressed-tensors' weight_packed, weight_scale
  bitsandbytes_nf4,  // weight, weight.absmax, weight.quant_state.bitsandbytes__nf4...
};

struct Quantisation {
  QuantisedForm form = QuantisedForm::fp8;
  int bits = 4;
  bool symmetric = true;  // no zero points
  // Numbers that share a scale: of so many rows and columns; 0: of all.
  std::int64_t scale_rows = 1, scale_cols = 0;
  bool zeros_less_one = false;  // as GPTQ's first format stores them
};

// Throws Error that names a field of quantization_config which says anything that is not known here.
void read_quantization(JsonFields& fields, ModelConfig& config);

}  // namespace troupe::model
