#include "model/checkpoint/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "model/json/fields.hpp"
#include "model/json/parse.hpp"
#include "model/json/stand_in.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

using kernels::DType;

static_assert(std::endian::native == std::endian::little, "tensors are used as they are stored");

namespace {

constexpr std::size_t length_bytes = 8;

nlohmann::json read_header(std::span<const std::byte> file, const std::string& where,
                           std::size_t& header_size) {
  if (file.size() < length_bytes) throw Error("is too short for a safetensors file", where);
  refuse_stand_in({reinterpret_cast<const char*>(file.data()), file.size()}, where);
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof(length));
  if (length > max_safetensors_header) {
    throw Error("header of " + std::to_string(length) + " bytes is larger than max_safetensors_header, " +
                    std::to_string(max_safetensors_header),
                where);
  }
  if (length > file.size() - length_bytes) {
    throw Error("header of " + std::to_string(length) + " bytes reaches past the end of the file", where,
                "the file is truncated: fetch it again");
  }
  header_size = std::size_t(length);
  return parse_json({reinterpret_cast<const char*>(file.data()) + length_bytes, header_size},
                    where + ": header");
}

// Of a tensor of this shape, or nothing when that overflows. Rows of blocks are whole ones.
std::optional<std::uint64_t> byte_count(std::span<const std::int64_t> shape, DType dtype) {
  const kernels::StorageUnit unit = kernels::storage_unit(dtype);
  std::uint64_t count = unit.bytes;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool row = i + 1 == shape.size();
    const auto extent = std::uint64_t(row ? shape[i] / unit.columns : shape[i]);
    if (__builtin_mul_overflow(count, extent, &count)) return std::nullopt;
  }
  return count;
}

std::vector<std::int64_t> read_shape(const JsonValue& extents) {
  if (!extents.value().is_array() || extents.value().size() > max_stored_dimensions) {
    extents.fail("must be a list of at most " + std::to_string(max_stored_dimensions) + " extents");
  }
  std::vector<std::int64_t> shape;
  for (const JsonValue& extent : extents.elements()) shape.push_back(extent.integer(0, INT64_MAX));
  return shape;
}

StoredTensor read_entry(const nlohmann::json& json, const std::string& where,
                        std::span<const std::byte> data) {
  JsonFields entry(JsonValue{json, where});
  const std::string dtype_name = entry["dtype"].text();
  const std::optional<DType> dtype = type_named(dtype_name);
  if (!dtype || kernels::in_blocks(*dtype)) {
    entry["dtype"].fail("is " + nlohmann::json(dtype_name).dump() + ", which is not supported");
  }
  StoredTensor tensor;
  tensor.dtype = *dtype;
  tensor.shape = read_shape(entry["shape"]);
  const JsonValue offsets = entry["data_offsets"];
  if (!offsets.value().is_array() || offsets.value().size() != 2) offsets.fail("must be two integers");
  const auto begin = std::uint64_t(offsets.element(0).integer(0, INT64_MAX)),
             end = std::uint64_t(offsets.element(1).integer(0, INT64_MAX));
  entry.refuse_others();
  if (begin > end) offsets.fail("end before they begin");
  if (end > data.size()) {
    offsets.fail("reach byte " + std::to_string(end) + ", but the file holds " + std::to_string(data.size()) +
                 " bytes of tensors; it is truncated");
  }
  if (byte_count(tensor.shape, tensor.dtype) != end - begin) {
    entry["shape"].fail(shape_text(tensor.shape) + " of " + dtype_name + " does not take the " +
                        std::to_string(end - begin) + " bytes of data_offsets");
  }
  tensor.bytes = data.subspan(std::size_t(begin), std::size_t(end - begin));
  return tensor;
}

void check_metadata(const nlohmann::json& metadata, const std::string& where) {
  const bool texts =
      metadata.is_object() && std::ranges::all_of(metadata, [](const auto& v) { return v.is_string(); });
  if (!texts) throw Error("__metadata__ must map names to strings", where);
}

// Tensors must follow each other and fill the file.
void check_layout(const std::map<std::string, StoredTensor, std::less<>>& tensors,
                  std::span<const std::byte> data, const std::string& where) {
  std::vector<const std::pair<const std::string, StoredTensor>*> ordered;
  for (const auto& entry : tensors) ordered.push_back(&entry);
  std::ranges::sort(ordered, {}, [](const auto* entry) {
    return std::pair(entry->second.bytes.data(), entry->second.bytes.size());
  });
  const std::byte* end = data.data();
  for (const auto* entry : ordered) {
    const std::span<const std::byte> bytes = entry->second.bytes;
    if (bytes.data() < end) throw Error("overlaps the tensor before it", where + ": " + entry->first);
    if (bytes.data() > end) throw Error("bytes before it belong to no tensor", where + ": " + entry->first);
    end = bytes.data() + bytes.size();
  }
  if (end != data.data() + data.size()) throw Error("bytes after the last tensor belong to none", where);
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  const std::string where = path.string();
  const MappedFile mapped = MappedFile::open(path);
  const std::span<const std::byte> file = mapped.bytes();
  std::size_t header_size = 0;
  const nlohmann::json header = read_header(file, where, header_size);
  if (!header.is_object()) throw Error("header must be a JSON object", where);
  const std::span<const std::byte> data = file.subspan(length_bytes + header_size);

  SafetensorsFile opened;
  opened.path_ = path;
  opened.mapping_ = mapped;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      check_metadata(entry, where);
    } else {
      opened.tensors_.emplace(name, read_entry(entry, where + ": " + name, data));
    }
  }
  check_layout(opened.tensors_, data, where);
  return opened;
}

std::size_t TensorHeader::bytes() const {
  const auto count = byte_count(shape, dtype);
  CHECK(count.has_value(), "tensor too large to be stored");
  return *count;
}

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path, std::span<const TensorHeader> tensors)
    : file_(path) {
  nlohmann::json header = {{"__metadata__", {{"format", "pt"}}}};
  for (const TensorHeader& tensor : tensors) {
    const std::size_t end = missing_ + tensor.bytes();
    CHECK(!header.contains(tensor.name), "two tensors of one name");
    header[tensor.name] = {
        {"dtype", type_name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {missing_, end}}};
    missing_ = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data begin at a multiple of 8
  const std::uint64_t length = text.size();
  file_.append(std::as_bytes(std::span(&length, 1)));
  file_.append(std::as_bytes(std::span(text)));
}

void SafetensorsWriter::append(std::span<const std::byte> bytes) {
  CHECK(bytes.size() <= missing_, "more bytes than the header announced");
  missing_ -= bytes.size();
  file_.append(bytes);
}

void SafetensorsWriter::finish() {
  CHECK(missing_ == 0, "fewer bytes than the header announced");
  file_.finish();
}

void write_safetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors) {
  std::vector<TensorHeader> headers;
  for (const TensorToWrite& tensor : tensors) headers.push_back(tensor.header);
  SafetensorsWriter writer(path, headers);
  for (const TensorToWrite& tensor : tensors) {
    CHECK(tensor.bytes.size() == tensor.header.bytes(), "tensor's bytes and shape disagree");
    writer.append(tensor.bytes);
  }
  writer.finish();
}

}  // namespace troupe::model
