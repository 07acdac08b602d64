#include "model/checkpoint/quantised/rounding.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "kernels/number_formats.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

using kernels::DType;

namespace {

constexpr float largest_e4m3 = 448, largest_e2m1 = 6;

constexpr std::array forms_that_round{RoundedForm{"int4", QuantisedForm::packed_integers, 4, 128},
                                      RoundedForm{"int4_g32", QuantisedForm::packed_integers, 4, 32},
                                      RoundedForm{"int8", QuantisedForm::packed_integers, 8, 0},
                                      RoundedForm{"int8_g128", QuantisedForm::packed_integers, 8, 128},
                                      RoundedForm{"fp8", QuantisedForm::fp8, 8, 0},
                                      RoundedForm{"nvfp4", QuantisedForm::packed_nvfp4, 4, 16},
                                      RoundedForm{"mxfp4", QuantisedForm::packed_mxfp4, 4, 32}};

// A code, by its bits and by what it counts as.
struct Rounded {
  unsigned bits;
  float value;
};

// x: in scales, as for all that follow. Bits are counted from the least integer.
Rounded nearest_integer(float x, int bits) {
  const float middle = float(1 << (bits - 1));
  const float value = std::clamp(std::nearbyint(x), -middle, middle - 1);
  return {unsigned(int(value + middle)), value};
}

Rounded nearest_e4m3(float x) {
  const std::uint8_t bits = kernels::encode_e4m3(x);
  return {bits, kernels::decode_e4m3(bits)};
}

Rounded nearest_e2m1(float x) {
  constexpr float values[]{0, 0.5f, 1, 1.5f, 2, 3, 4, 6},
      middles[]{0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5};
  const float magnitude = std::abs(x);
  unsigned code = 0;
  while (code < 7 && (magnitude > middles[code] || (magnitude == middles[code] && code % 2 == 1))) ++code;
  return x < 0 ? Rounded{code | 8, -values[code]} : Rounded{code, values[code]};
}

Rounded nearest(const RoundedForm& form, float x) {
  switch (form.form) {
    case QuantisedForm::packed_integers:
      return nearest_integer(x, form.bits);
    case QuantisedForm::fp8:
      return nearest_e4m3(x);
    default:
      return nearest_e2m1(x);
  }
}

// The least power of two by which the largest is no more than E2M1's largest, or is rounded to it (OCP Microscaling Formats
// 1.0, section 6.3, takes the next lower one for those that would be rounded to 8, and cuts them off).
int power_of(float largest) {
  if (largest == 0) return 0;
  const int exponent = std::ilogb(largest);
  const bool rounds_up = largest >= std::ldexp(1.75f, exponent);
  return std::clamp(exponent - 2 + rounds_up, -127, 127);
}

TensorHeader codes_header(const RoundedForm& form, const std::string& module, std::int64_t rows,
                          std::int64_t cols) {
  switch (form.form) {
    case QuantisedForm::packed_integers:
      return {module + "weight_packed", DType::i32, {rows, (cols * form.bits + 31) / 32}};
    case QuantisedForm::fp8:
      return {module + "weight", DType::f8_e4m3, {rows, cols}};
    default:
      return {module + "weight_packed", DType::u8, {rows, cols / 2}};
  }
}

DType scale_type(const RoundedForm& form) {
  switch (form.form) {
    case QuantisedForm::packed_nvfp4:
      return DType::f8_e4m3;
    case QuantisedForm::packed_mxfp4:
      return DType::u8;
    default:
      return DType::bf16;
  }
}

template <class T>
void append_bytes(std::vector<std::byte>& bytes, T value) {
  bytes.resize(bytes.size() + sizeof value);
  std::memcpy(bytes.data() + bytes.size() - sizeof value, &value, sizeof value);
}

std::string_view format_name(const RoundedForm& form) {
  switch (form.form) {
    case QuantisedForm::packed_integers:
      return "pack-quantized";
    case QuantisedForm::packed_nvfp4:
      return "nvfp4-pack-quantized";
    case QuantisedForm::packed_mxfp4:
      return "mxfp4-pack-quantized";
    default:
      return "float-quantized";
  }
}

std::string_view strategy_name(const RoundedForm& form) {
  if (form.form == QuantisedForm::packed_nvfp4) return "tensor_group";
  return form.group == 0 ? "channel" : "group";
}

// Of FP8_DYNAMIC, which is what others compute FP8 weights of rows with; here activations stay as they are.
nlohmann::json dynamic_activations() {
  return {{"actorder", nullptr}, {"block_structure", nullptr},
          {"dynamic", true},     {"group_size", nullptr},
          {"num_bits", 8},       {"observer", nullptr},
          {"strategy", "token"}, {"observer_kwargs", nlohmann::json::object()},
          {"symmetric", true},   {"type", "float"}};
}

}  // namespace

std::span<const RoundedForm> rounded_forms() {
  return forms_that_round;
}

const RoundedForm* rounded_form(std::string_view name) {
  const auto found = std::ranges::find(forms_that_round, name, &RoundedForm::name);
  return found == forms_that_round.end() ? nullptr : &*found;
}

std::vector<TensorHeader> rounded_parts(const RoundedForm& form, const std::string& module, std::int64_t rows,
                                        std::int64_t cols) {
  const std::int64_t groups = form.group == 0 ? 1 : cols / form.group;
  std::vector<TensorHeader> parts{codes_header(form, module, rows, cols),
                                  {module + "weight_scale", scale_type(form), {rows, groups}}};
  if (form.form == QuantisedForm::packed_integers)
    parts.push_back({module + "weight_shape", DType::i64, {2}});
  if (form.form == QuantisedForm::packed_nvfp4)
    parts.push_back({module + "weight_global_scale", DType::f32, {1}});
  return parts;
}

std::vector<std::string> computed_together(const std::string& name) {
  static const std::vector<std::vector<std::string>> sets{{"q_proj.weight", "k_proj.weight", "v_proj.weight"},
                                                          {"gate_proj.weight", "up_proj.weight"},
                                                          {"q_a_proj.weight", "kv_a_proj_with_mqa.weight"}};
  const std::size_t begin = name.rfind('.', name.rfind('.') - 1) + 1;
  const std::string module = name.substr(0, begin), own = name.substr(begin);
  for (const auto& set : sets) {
    if (std::ranges::find(set, own) == set.end()) continue;
    std::vector<std::string> names;
    for (const std::string& each : set) names.push_back(module + each);
    return names;
  }
  return {name};
}

RowRounding::RowRounding(const RoundedForm& form, std::int64_t rows, std::int64_t cols, float largest)
    : form_(form), rows_(rows), cols_(cols), group_(form.group == 0 ? cols : form.group) {
  CHECK(form.fits(cols), "rows that are no whole groups");
  const auto parts = rounded_parts(form, "", 1, cols);
  code_bytes_ = parts[0].bytes();
  scale_bytes_ = parts[1].bytes();
  // So that the largest scale is E4M3's largest.
  if (form.form == QuantisedForm::packed_nvfp4 && largest > 0)
    global_ = std::min(largest_e4m3 * largest_e2m1 / largest, std::numeric_limits<float>::max());
}

std::vector<std::byte> RowRounding::whole() const {
  std::vector<std::byte> bytes;
  if (form_.form == QuantisedForm::packed_integers)
    for (const std::int64_t extent : {rows_, cols_}) append_bytes(bytes, extent);
  if (form_.form == QuantisedForm::packed_nvfp4) append_bytes(bytes, global_);
  return bytes;
}

// Of a group with that largest magnitude. Returns what was stored.
float RowRounding::put_scale(float largest, std::byte* at) const {
  switch (form_.form) {
    case QuantisedForm::packed_nvfp4: {
      const std::uint8_t bits = kernels::encode_e4m3(largest / largest_e2m1 * global_);
      *at = std::byte(bits);
      return kernels::decode_e4m3(bits);
    }
    case QuantisedForm::packed_mxfp4: {
      const int power = power_of(largest);
      *at = std::byte(power + 127);
      return std::ldexp(1.0f, power);
    }
    default: {
      // Integers reach from -2^(bits-1) to 2^(bits-1) - 1.
      const float reach = form_.form == QuantisedForm::fp8 ? largest_e4m3 : float((1 << form_.bits) - 1) / 2;
      const std::uint16_t bits = kernels::encode_bf16(largest / reach);
      std::memcpy(at, &bits, sizeof bits);
      return kernels::decode_bf16(bits);
    }
  }
}

void RowRounding::round(std::span<const float> weights, std::span<std::byte> codes,
                        std::span<std::byte> scales, std::span<float> back) const {
  CHECK(std::int64_t(weights.size()) == cols_ && back.size() == weights.size(), "a row of another weight");
  CHECK(codes.size() == code_bytes_ && scales.size() == scale_bytes_, "bytes of another row");
  std::ranges::fill(codes, std::byte(0));
  const std::size_t scale_size = kernels::size_of(scale_type(form_));
  const float factor = 1 / global_;              // as the reader multiplies
  const std::int64_t together = 8 / form_.bits;  // codes of a byte, the first in its lower bits
  for (std::int64_t begin = 0; begin < cols_; begin += group_) {
    const auto group = weights.subspan(std::size_t(begin), std::size_t(group_));
    float largest = 0;
    for (const float weight : group) largest = std::max(largest, std::abs(weight));
    const float stored = put_scale(largest, scales.data() + std::size_t(begin / group_) * scale_size);
    const float scale = stored * factor;
    for (std::int64_t c = begin; c < begin + group_; ++c) {
      const Rounded code = nearest(form_, scale == 0 ? 0 : weights[std::size_t(c)] / scale);
      codes[std::size_t(c / together)] |= std::byte(code.bits << c % together * form_.bits);
      back[std::size_t(c)] = code.value * stored * factor;
    }
  }
}

nlohmann::json quantization_config(const RoundedForm& form, const std::vector<std::string>& ignore) {
  const bool floats = form.form != QuantisedForm::packed_integers, fp8 = form.form == QuantisedForm::fp8;
  const nlohmann::json weights{
      {"actorder", nullptr},
      {"block_structure", nullptr},
      {"dynamic", false},
      {"group_size", form.group == 0 ? nlohmann::json() : nlohmann::json(form.group)},
      {"num_bits", form.bits},
      {"observer", "minmax"},
      {"observer_kwargs", nlohmann::json::object()},
      {"strategy", strategy_name(form)},
      {"symmetric", true},
      {"type", floats ? "float" : "int"}};
  const nlohmann::json group{{"input_activations", fp8 ? dynamic_activations() : nlohmann::json()},
                             {"output_activations", nullptr},
                             {"targets", {"Linear"}},
                             {"weights", weights}};
  return {{"config_groups", {{"group_0", group}}},
          {"format", format_name(form)},
          {"global_compression_ratio", nullptr},
          {"ignore", ignore},
          {"kv_cache_scheme", nullptr},
          {"quant_method", "compressed-tensors"},
          {"quantization_status", "compressed"}};
}

}  // namespace troupe::model
