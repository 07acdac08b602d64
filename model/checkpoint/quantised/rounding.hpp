// Rounds weights to the quantised forms that need nothing but the weights to be chosen by: what `troupe convert` writes, and
// quantised_weights.hpp reads. Tensors and quantization_config are those that llm-compressor writes with compressed-tensors.
// Pure functions and immutable objects; any thread.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/checkpoint/safetensors.hpp"
#include "model/quantisation.hpp"

namespace troupe::model {

struct RoundedForm {
  std::string_view name;  // "int4"
  QuantisedForm form = QuantisedForm::packed_integers;
  int bits = 4;            // of a code
  std::int64_t group = 0;  // columns that share a scale; 0: all of a row

  // Rows that are no whole groups are not rounded.
  bool fits(std::int64_t cols) const { return group == 0 || cols % group == 0; }
};
std::span<const RoundedForm> rounded_forms();
// Null for a name that there is not.
const RoundedForm* rounded_form(std::string_view name);

// The tensors of a weight [rows, cols] that fits, by their names behind the module's ("model.layers.0.mlp.up_proj."): of
// codes, of scales, both with a row for each of the weight's, and for some forms a last one, that is about the whole.
std::vector<TensorHeader> rounded_parts(const RoundedForm& form, const std::string& module, std::int64_t rows,
                                        std::int64_t cols);

// The weights that others compute as one matrix with this one, itself among them, by published names; a checkpoint may have
// only some. They have one global scale.
std::vector<std::string> computed_together(const std::string& name);

class RowRounding {
 public:
  // Of a weight [rows, cols] that fits. largest: the largest magnitude of all weights that are to share its global scale.
  RowRounding(const RoundedForm& form, std::int64_t rows, std::int64_t cols, float largest);

  std::size_t code_bytes() const { return code_bytes_; }  // of a row
  std::size_t scale_bytes() const { return scale_bytes_; }
  // Of the last part; empty: there is none.
  std::vector<std::byte> whole() const;
  // One row: codes are the nearest to weight / scale, ties to even. weights: [cols], finite; codes, scales: of so many
  // bytes; back: [cols], what the row counts as when it is read again.
  void round(std::span<const float> weights, std::span<std::byte> codes, std::span<std::byte> scales,
             std::span<float> back) const;

 private:
  float put_scale(float largest, std::byte* at) const;

  const RoundedForm& form_;
  std::int64_t rows_, cols_, group_;
  std::size_t code_bytes_ = 0, scale_bytes_ = 0;
  float global_ = 1;  // that stored scales were multiplied by
};

// ignore: modules whose weights are matrices and are not rounded.
nlohmann::json quantization_config(const RoundedForm& form, const std::vector<std::string>& ignore);

}  // namespace troupe::model
