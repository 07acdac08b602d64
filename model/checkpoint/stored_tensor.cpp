#include "model/checkpoint/stored_tensor.hpp"

#include <algorithm>
#include <utility>

namespace troupe::model {

using kernels::DType;

namespace {

constexpr std::pair<DType, std::string_view> type_names[] = {
    {DType::f32, "F32"},       {DType::f16, "F16"},   {DType::bf16, "BF16"}, {DType::f8_e4m3, "F8_E4M3"},
    {DType::q8_0, "Q8_0"},     {DType::q4_0, "Q4_0"}, {DType::q4_1, "Q4_1"}, {DType::q5_0, "Q5_0"},
    {DType::q5_1, "Q5_1"},     {DType::q2_k, "Q2_K"}, {DType::q3_k, "Q3_K"}, {DType::q4_k, "Q4_K"},
    {DType::q5_k, "Q5_K"},     {DType::q6_k, "Q6_K"}, {DType::i32, "I32"},   {DType::i64, "I64"},
    {DType::iq4_nl, "IQ4_NL"},
};

}  // namespace

std::string_view type_name(DType dtype) {
  return std::ranges::find(type_names, dtype, &std::pair<DType, std::string_view>::first)->second;
}

std::optional<DType> type_named(std::string_view name) {
  const auto* const found = std::ranges::find(type_names, name, &std::pair<DType, std::string_view>::second);
  return found == std::end(type_names) ? std::nullopt : std::optional(found->first);
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text;
  for (const std::int64_t extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "[" + text + "]";
}

}  // namespace troupe::model
