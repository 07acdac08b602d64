#include "model/safetensors.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
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
constexpr std::pair<DType, std::string_view> dtype_names[] = {
    {DType::f32, "F32"},         {DType::f16, "F16"}, {DType::bf16, "BF16"},
    {DType::f8_e4m3, "F8_E4M3"}, {DType::i32, "I32"}, {DType::i64, "I64"},
};

struct FileDescriptor {
  int fd;
  ~FileDescriptor() {
    if (fd >= 0) ::close(fd);
  }
};

struct Mapping {
  std::shared_ptr<const std::byte> data;
  std::size_t size = 0;
};

Mapping map_file(const std::filesystem::path& path) {
  const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat status {};
  if (file.fd < 0 || ::fstat(file.fd, &status) != 0) {
    throw Error(std::string("cannot be opened: ") + std::strerror(errno), path.string());
  }
  if (!S_ISREG(status.st_mode)) throw Error("is not a regular file", path.string());
  const auto size = std::size_t(status.st_size);
  if (size < length_bytes) throw Error("is too short for a safetensors file", path.string());
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (data == MAP_FAILED)
    throw Error(std::string("cannot be mapped: ") + std::strerror(errno), path.string());
  const auto unmap = [size](const std::byte* mapped) { ::munmap(const_cast<std::byte*>(mapped), size); };
  return {std::shared_ptr<const std::byte>(static_cast<const std::byte*>(data), unmap), size};
}

nlohmann::json read_header(std::span<const std::byte> file, const std::string& where,
                           std::size_t& header_size) {
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

// Shape times element size, or nothing when that overflows.
std::optional<std::uint64_t> byte_count(std::span<const std::int64_t> shape, DType dtype) {
  std::uint64_t count = kernels::size_of(dtype);
  for (const std::int64_t extent : shape) {
    if (__builtin_mul_overflow(count, std::uint64_t(extent), &count)) return std::nullopt;
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
  const auto* dtype = std::ranges::find(dtype_names, dtype_name, &std::pair<DType, std::string_view>::second);
  if (dtype == std::end(dtype_names)) {
    entry["dtype"].fail("is " + nlohmann::json(dtype_name).dump() + ", which is not supported");
  }
  StoredTensor tensor{dtype->first, read_shape(entry["shape"]), {}};
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

std::string_view safetensors_name(DType dtype) {
  return std::ranges::find(dtype_names, dtype, &std::pair<DType, std::string_view>::first)->second;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text;
  for (const std::int64_t extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "[" + text + "]";
}

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  const std::string where = path.string();
  const Mapping mapping = map_file(path);
  const std::span<const std::byte> file(mapping.data.get(), mapping.size);
  std::size_t header_size = 0;
  const nlohmann::json header = read_header(file, where, header_size);
  if (!header.is_object()) throw Error("header must be a JSON object", where);
  const std::span<const std::byte> data = file.subspan(length_bytes + header_size);

  SafetensorsFile opened;
  opened.path_ = path;
  opened.mapping_ = mapping.data;
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
    : path_(path), partial_(path.string() + ".partial") {
  nlohmann::json header = {{"__metadata__", {{"format", "pt"}}}};
  for (const TensorHeader& tensor : tensors) {
    const std::size_t end = missing_ + tensor.bytes();
    CHECK(!header.contains(tensor.name), "two tensors of one name");
    header[tensor.name] = {{"dtype", safetensors_name(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {missing_, end}}};
    missing_ = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data begin at a multiple of 8
  const std::uint64_t length = text.size();
  out_.open(partial_, std::ios::binary | std::ios::trunc);
  out_.write(reinterpret_cast<const char*>(&length), sizeof(length));
  out_.write(text.data(), std::streamsize(text.size()));
  if (!out_) throw Error("cannot be written", partial_.string(), "check the path and the free space");
}

SafetensorsWriter::~SafetensorsWriter() {
  if (finished_) return;
  std::error_code ignored;
  std::filesystem::remove(partial_, ignored);
}

void SafetensorsWriter::append(std::span<const std::byte> bytes) {
  CHECK(bytes.size() <= missing_, "more bytes than the header announced");
  missing_ -= bytes.size();
  if (!out_.write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()))) {
    throw Error("cannot be written", partial_.string(), "check the free space");
  }
}

void SafetensorsWriter::finish() {
  CHECK(missing_ == 0, "fewer bytes than the header announced");
  out_.close();
  std::error_code failure;
  if (!out_.fail()) std::filesystem::rename(partial_, path_, failure);
  if (out_.fail() || failure) throw Error("cannot be written", path_.string(), "check the free space");
  finished_ = true;
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
