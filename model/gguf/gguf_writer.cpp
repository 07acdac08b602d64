#include "model/gguf/gguf_writer.hpp"

#include <cstring>

#include "model/gguf/gguf_file.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {
namespace {

constexpr std::size_t written_alignment = 32;

template <class T>
void put(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& bytes, std::string_view text) {
  put(bytes, std::uint64_t(text.size()));
  bytes.append(text);
}

std::size_t aligned(std::size_t n) {
  return (n + written_alignment - 1) / written_alignment * written_alignment;
}

}  // namespace

void GgufKeys::begin(std::string_view key, GgufType type) {
  put_text(bytes_, key);
  put(bytes_, type);
  ++count_;
}
void GgufKeys::begin_array(std::string_view key, GgufType type, std::size_t count) {
  begin(key, GgufType::array);
  put(bytes_, type);
  put(bytes_, std::uint64_t(count));
}

void GgufKeys::text(std::string_view key, std::string_view value) {
  begin(key, GgufType::text);
  put_text(bytes_, value);
}
void GgufKeys::u32(std::string_view key, std::uint32_t value) {
  begin(key, GgufType::u32);
  put(bytes_, value);
}
void GgufKeys::f32(std::string_view key, float value) {
  begin(key, GgufType::f32);
  put(bytes_, value);
}
void GgufKeys::boolean(std::string_view key, bool value) {
  begin(key, GgufType::boolean);
  put(bytes_, std::uint8_t(value));
}
void GgufKeys::texts(std::string_view key, std::span<const std::string> values) {
  begin_array(key, GgufType::text, values.size());
  for (const std::string& value : values) put_text(bytes_, value);
}
void GgufKeys::i32s(std::string_view key, std::span<const std::int32_t> values) {
  begin_array(key, GgufType::i32, values.size());
  for (const std::int32_t value : values) put(bytes_, value);
}
void GgufKeys::f32s(std::string_view key, std::span<const float> values) {
  begin_array(key, GgufType::f32, values.size());
  for (const float value : values) put(bytes_, value);
}

GgufWriter::GgufWriter(const std::filesystem::path& path, const GgufKeys& keys,
                       std::span<const TensorHeader> tensors)
    : file_(path) {
  std::string header = "GGUF";
  put(header, std::uint32_t{3});
  put(header, std::uint64_t(tensors.size()));
  put(header, keys.count());
  header += keys.bytes();
  std::uint64_t offset = 0;
  for (const TensorHeader& tensor : tensors) {
    put_text(header, tensor.name);
    put(header, std::uint32_t(tensor.shape.size()));
    for (auto extent = tensor.shape.rbegin(); extent != tensor.shape.rend(); ++extent)
      put(header, std::uint64_t(*extent));
    put(header, gguf_number(tensor.dtype));
    put(header, offset);
    missing_.push_back(tensor.bytes());
    offset += aligned(missing_.back());
  }
  file_.append(std::as_bytes(std::span(header)));
  written_ = header.size();
  pad();
}

void GgufWriter::pad() {
  const std::string zeroes(aligned(written_) - written_, '\0');
  file_.append(std::as_bytes(std::span(zeroes)));
  written_ += zeroes.size();
}

void GgufWriter::append(std::span<const std::byte> bytes) {
  CHECK(next_ < missing_.size() && bytes.size() <= missing_[next_], "more bytes than the header announced");
  file_.append(bytes);
  written_ += bytes.size();
  missing_[next_] -= bytes.size();
  if (missing_[next_] > 0) return;
  pad();
  ++next_;
}

void GgufWriter::finish() {
  CHECK(next_ == missing_.size(), "fewer bytes than the header announced");
  file_.finish();
}

}  // namespace troupe::model
