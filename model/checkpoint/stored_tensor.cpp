#include "model/checkpoint/stored_tensor.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/number_formats.hpp"

namespace troupe::model {

using kernels::DType;

namespace {

constexpr std::pair<DType, std::string_view> type_names[] = {
    {DType::f32, "F32"},         {DType::f16, "F16"},       {DType::bf16, "BF16"},
    {DType::f8_e4m3, "F8_E4M3"}, {DType::q8_0, "Q8_0"},     {DType::q4_0, "Q4_0"},
    {DType::q4_1, "Q4_1"},       {DType::q5_0, "Q5_0"},     {DType::q5_1, "Q5_1"},
    {DType::q2_k, "Q2_K"},       {DType::q3_k, "Q3_K"},     {DType::q4_k, "Q4_K"},
    {DType::q5_k, "Q5_K"},       {DType::q6_k, "Q6_K"},     {DType::i32, "I32"},
    {DType::i64, "I64"},         {DType::iq4_nl, "IQ4_NL"}, {DType::i4_32, "I4_32"},
    {DType::i4_128, "I4_128"},   {DType::i8_32, "I8_32"},   {DType::i8_128, "I8_128"},
    {DType::i4_bf16, "I4_BF16"}, {DType::mxfp4, "MXFP4"},   {DType::nvfp4, "NVFP4"},
    {DType::nf4, "NF4"},         {DType::i8, "I8"},         {DType::u8, "U8"}};

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace

float to_float(DType dtype, const std::byte* at) {
  switch (dtype) {
    case DType::f32:
      return load<float>(at);
    case DType::bf16:
      return kernels::decode_bf16(load<std::uint16_t>(at));
    case DType::f16:
      return kernels::decode_f16(load<std::uint16_t>(at));
    default:
      CHECK(false, "no conversion of this type to F32");
      return 0;
  }
}

std::size_t StoredTensor::size() const {
  return packed ? std::size_t(shape.front()) * kernels::row_bytes(dtype, shape.back()) : bytes.size();
}

std::span<const std::byte> StoredTensor::row(std::int64_t row, std::int64_t first, std::int64_t count,
                                             std::vector<std::byte>& room) const {
  const kernels::StorageUnit unit = kernels::storage_unit(dtype);
  const std::int64_t before = first % unit.columns;
  const std::size_t wanted = kernels::row_bytes(dtype, before + count);
  if (packed) {
    room.resize(wanted);
    packed->write(row, first - before, before + count, room.data());
    return room;
  }
  return bytes.subspan(std::size_t(stored_row(row)) * kernels::row_bytes(dtype, shape.back()) +
                           std::size_t(first / unit.columns) * unit.bytes,
                       wanted);
}

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
