#include "model/gguf/gguf_header.hpp"

#include <algorithm>
#include <bit>
#include <optional>

#include "model/json/stand_in.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

using kernels::DType;

namespace {

constexpr std::string_view magic = "GGUF";
constexpr std::uint32_t oldest_version = 2, newest_version = 3;
constexpr std::size_t default_alignment = 32;

// Types of tensors by the format's numbers (ggml_type); those without a type here are not served.
struct TensorType {
  std::uint32_t number;
  std::string_view name;
  std::optional<DType> dtype;
};
constexpr TensorType tensor_types[] = {
    {0, "F32", DType::f32},
    {1, "F16", DType::f16},
    {2, "Q4_0", DType::q4_0},
    {3, "Q4_1", DType::q4_1},
    {6, "Q5_0", DType::q5_0},
    {7, "Q5_1", DType::q5_1},
    {8, "Q8_0", DType::q8_0},
    {9, "Q8_1", {}},
    {10, "Q2_K", DType::q2_k},
    {11, "Q3_K", DType::q3_k},
    {12, "Q4_K", DType::q4_k},
    {13, "Q5_K", DType::q5_k},
    {14, "Q6_K", DType::q6_k},
    {15, "Q8_K", {}},
    {16, "IQ2_XXS", {}},
    {17, "IQ2_XS", {}},
    {18, "IQ3_XXS", {}},
    {19, "IQ1_S", {}},
    {20, "IQ4_NL", DType::iq4_nl},
    {21, "IQ3_S", {}},
    {22, "IQ2_S", {}},
    {23, "IQ4_XS", {}},
    {24, "I8", {}},
    {25, "I16", {}},
    {26, "I32", {}},
    {27, "I64", {}},
    {28, "F64", {}},
    {29, "IQ1_M", {}},
    {30, "BF16", DType::bf16},
    {34, "TQ1_0", {}},
    {35, "TQ2_0", {}},
    {39, "MXFP4", {}},
};

DType dtype_of(std::uint32_t number, const std::string& where) {
  const auto* const type = std::ranges::find(tensor_types, number, &TensorType::number);
  if (type == std::end(tensor_types))
    throw Error("has type number " + std::to_string(number) + ", which is not known", where);
  if (!type->dtype)
    throw Error("has type " + std::string(type->name) + ", which is not supported", where,
                "quantise the model to Q4_K, Q8_0 or another of the types that are");
  return *type->dtype;
}

template <class T>
GgufValue::Numbers numbers_of(std::span<const std::byte> bytes) {
  GgufValue::Numbers numbers(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
    numbers[i] = double(value);
  }
  return numbers;
}

}  // namespace

std::uint32_t gguf_number(DType dtype) {
  const auto* const type = std::ranges::find(tensor_types, std::optional(dtype), &TensorType::dtype);
  CHECK(type != std::end(tensor_types), "a type that GGUF has not");
  return type->number;
}

void GgufCursor::fail(std::string_view what, std::string_view name) const {
  throw Error(what, name.empty() ? where_ : where_ + ": " + std::string(name));
}

std::span<const std::byte> GgufCursor::take(std::size_t size, std::string_view what) {
  if (size > bytes_.size() - at_) {
    if (bytes_.size() == max_gguf_header)
      fail(std::string(what) + " lies behind max_gguf_header, " + std::to_string(max_gguf_header) + " bytes");
    fail(std::string(what) + " reaches past the end of the file");
  }
  at_ += size;
  return bytes_.subspan(at_ - size, size);
}

std::uint64_t GgufCursor::count(std::string_view what, std::size_t most, std::string_view limit) {
  const auto count = number<std::uint64_t>(what);
  if (count > most)
    fail(std::string(what) + " is " + std::to_string(count) + ", more than " + std::string(limit) + ", " +
         std::to_string(most));
  return count;
}

std::string_view GgufCursor::text(std::string_view what, std::size_t most, std::string_view limit) {
  const auto bytes = take(std::size_t(count(what, most, limit)), what);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

GgufHeader::GgufHeader(GgufFile& file, std::span<const std::byte> bytes)
    : file_(file),
      bytes_(bytes),
      cursor_(bytes.first(std::min(bytes.size(), max_gguf_header)), file.path_.string()) {}

void GgufHeader::read() {
  const std::string_view begin(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
  if (!begin.starts_with(magic)) {
    refuse_stand_in(begin, file_.path_.string());
    cursor_.fail("is no GGUF file");
  }
  cursor_.take(magic.size(), "the magic");
  const auto version = cursor_.number<std::uint32_t>("the version");
  if (version < oldest_version || version > newest_version)
    cursor_.fail("is of GGUF version " + std::to_string(version) + "; 2 and 3 are supported");
  const auto tensors = cursor_.count("the number of tensors", max_gguf_tensors, "max_gguf_tensors"),
             keys = cursor_.count("the number of keys", max_gguf_keys, "max_gguf_keys");
  for (std::uint64_t i = 0; i < keys; ++i) read_key();
  for (std::uint64_t i = 0; i < tensors; ++i) read_tensor();
  place_tensors();
}

void GgufHeader::read_key() {
  const std::string key(cursor_.text("a key's name", max_gguf_key, "max_gguf_key"));
  const auto type = cursor_.number<std::uint32_t>("a key's type");
  if (type >= gguf_types) cursor_.fail("has type " + std::to_string(type) + ", which is not known", key);
  GgufValue value(read_value(GgufType(type), key), file_.path_.string() + ": " + key);
  if (!file_.keys_.emplace(key, std::move(value)).second) cursor_.fail("is there twice", key);
}

GgufValue::Held GgufHeader::read_value(GgufType type, const std::string& key) {
  switch (type) {
    case GgufType::u8:
      return std::int64_t{cursor_.number<std::uint8_t>(key)};
    case GgufType::i8:
      return std::int64_t{cursor_.number<std::int8_t>(key)};
    case GgufType::u16:
      return std::int64_t{cursor_.number<std::uint16_t>(key)};
    case GgufType::i16:
      return std::int64_t{cursor_.number<std::int16_t>(key)};
    case GgufType::u32:
      return std::int64_t{cursor_.number<std::uint32_t>(key)};
    case GgufType::i32:
      return std::int64_t{cursor_.number<std::int32_t>(key)};
    case GgufType::i64:
      return cursor_.number<std::int64_t>(key);
    case GgufType::u64: {
      const auto value = cursor_.number<std::uint64_t>(key);
      if (value > INT64_MAX) cursor_.fail("is too large a number", key);
      return std::int64_t(value);
    }
    case GgufType::f32:
      return double(cursor_.number<float>(key));
    case GgufType::f64:
      return cursor_.number<double>(key);
    case GgufType::boolean: {
      const auto value = cursor_.number<std::uint8_t>(key);
      if (value > 1) cursor_.fail("is neither true nor false", key);
      return value == 1;
    }
    case GgufType::text:
      return cursor_.text(key, max_gguf_header, "max_gguf_header");
    case GgufType::array:
      return read_array(key);
  }
  return {};
}

GgufValue::Held GgufHeader::read_array(const std::string& key) {
  const auto type = cursor_.number<std::uint32_t>(key);
  const auto count = std::size_t(cursor_.count(key, max_gguf_array, "max_gguf_array"));
  elements_ += count;
  if (elements_ > max_gguf_elements)
    cursor_.fail("and the arrays before it have more than max_gguf_elements, " +
                     std::to_string(max_gguf_elements) + " elements",
                 key);
  switch (GgufType(type)) {
    case GgufType::text: {
      GgufValue::Texts texts;
      for (std::size_t i = 0; i < count; ++i)
        texts.push_back(cursor_.text(key, max_gguf_header, "max_gguf_header"));
      return texts;
    }
    case GgufType::u8:
    case GgufType::boolean:
      return numbers_of<std::uint8_t>(cursor_.take(count, key));
    case GgufType::i8:
      return numbers_of<std::int8_t>(cursor_.take(count, key));
    case GgufType::u16:
      return numbers_of<std::uint16_t>(cursor_.take(count * 2, key));
    case GgufType::i16:
      return numbers_of<std::int16_t>(cursor_.take(count * 2, key));
    case GgufType::u32:
      return numbers_of<std::uint32_t>(cursor_.take(count * 4, key));
    case GgufType::i32:
      return numbers_of<std::int32_t>(cursor_.take(count * 4, key));
    case GgufType::f32:
      return numbers_of<float>(cursor_.take(count * 4, key));
    case GgufType::u64:
      return numbers_of<std::uint64_t>(cursor_.take(count * 8, key));
    case GgufType::i64:
      return numbers_of<std::int64_t>(cursor_.take(count * 8, key));
    case GgufType::f64:
      return numbers_of<double>(cursor_.take(count * 8, key));
    default:
      cursor_.fail("is an array of type " + std::to_string(type) + ", which is not known", key);
  }
}

void GgufHeader::read_tensor() {
  const std::string name(cursor_.text("a tensor's name", max_gguf_tensor_name, "max_gguf_tensor_name"));
  const std::string where = file_.path_.string() + ": " + name;
  StoredTensor tensor;
  tensor.shape = read_shape(name);
  tensor.dtype = dtype_of(cursor_.number<std::uint32_t>(name), where);
  const auto offset = cursor_.number<std::uint64_t>(name);
  if (tensor.shape.back() % kernels::storage_unit(tensor.dtype).columns != 0)
    throw Error("has rows of " + std::to_string(tensor.shape.back()) +
                    " columns, which are no whole blocks of " + std::string(type_name(tensor.dtype)),
                where);
  const auto [placed, is_new] = file_.tensors_.emplace(name, std::move(tensor));
  if (!is_new) throw Error("is there twice", where);
  placed_.push_back({placed->first, offset});
}

std::vector<std::int64_t> GgufHeader::read_shape(const std::string& name) {
  const auto dimensions = cursor_.number<std::uint32_t>(name);
  if (dimensions < 1 || dimensions > max_gguf_dimensions)
    cursor_.fail("has " + std::to_string(dimensions) + " dimensions; there may be 1 to " +
                     std::to_string(max_gguf_dimensions),
                 name);
  std::vector<std::int64_t> shape;
  std::int64_t elements = 1;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const auto extent = cursor_.number<std::uint64_t>(name);
    if (extent < 1 || extent > INT64_MAX ||
        __builtin_mul_overflow(elements, std::int64_t(extent), &elements) || elements > INT64_MAX / 8)
      cursor_.fail("has no shape that could be", name);
    shape.insert(shape.begin(), std::int64_t(extent));
  }
  return shape;
}

// Once it is known where the header ends.
void GgufHeader::place_tensors() {
  const std::size_t alignment =
      file_.has("general.alignment")
          ? std::size_t(file_.at("general.alignment").integer(1, std::int64_t(max_gguf_alignment)))
          : default_alignment;
  if (!std::has_single_bit(alignment)) file_.at("general.alignment").fail("is no power of two");
  const std::size_t begin = (cursor_.position() + alignment - 1) / alignment * alignment;
  const auto data = bytes_.subspan(std::min(begin, bytes_.size()));
  std::ranges::sort(placed_, {}, &Placed::offset);
  std::uint64_t end = 0;
  for (const auto& [name, offset] : placed_) {
    StoredTensor& tensor = file_.tensors_.find(name)->second;
    const std::int64_t columns = tensor.shape.back(), rows = tensor.elements() / columns;
    const std::uint64_t size = std::uint64_t(rows) * kernels::row_bytes(tensor.dtype, columns);
    if (offset % alignment != 0) cursor_.fail("begins at no multiple of general.alignment", name);
    if (offset < end) cursor_.fail("overlaps the tensor before it", name);
    if (offset > data.size() || size > data.size() - offset)
      cursor_.fail("reaches past the end of the file; it is truncated", name);
    tensor.bytes = data.subspan(std::size_t(offset), std::size_t(size));
    end = offset + size;
  }
}

}  // namespace troupe::model
