// Writes GGUF files, version 3, as gguf_file.hpp reads them. Belongs to one thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/checkpoint/new_file.hpp"
#include "model/checkpoint/safetensors.hpp"
#include "model/gguf/gguf_value.hpp"

namespace troupe::model {

// Keys with values, in the order in which they are added; a key is added once.
class GgufKeys {
 public:
  void text(std::string_view key, std::string_view value);
  void u32(std::string_view key, std::uint32_t value);
  void f32(std::string_view key, float value);
  void boolean(std::string_view key, bool value);
  void texts(std::string_view key, std::span<const std::string> values);
  void i32s(std::string_view key, std::span<const std::int32_t> values);
  void f32s(std::string_view key, std::span<const float> values);

  const std::string& bytes() const { return bytes_; }
  std::uint64_t count() const { return count_; }

 private:
  void begin(std::string_view key, GgufType type);
  void begin_array(std::string_view key, GgufType type, std::size_t count);

  std::string bytes_;
  std::uint64_t count_ = 0;
};

class GgufWriter {
 public:
  // tensors: shapes with the rows first. Throws Error when the file cannot be made.
  GgufWriter(const std::filesystem::path& path, const GgufKeys& keys, std::span<const TensorHeader> tensors);

  // The bytes of the tensors, in their order, in pieces that are each of one tensor. Throws Error when the disk is full.
  void append(std::span<const std::byte> bytes);
  // CHECKs that all tensors were appended. Throws Error when they cannot be stored.
  void finish();

 private:
  void pad();

  NewFile file_;
  std::vector<std::size_t> missing_;    // of each tensor's bytes
  std::size_t next_ = 0, written_ = 0;  // written_: bytes, of the header and what follows
};

}  // namespace troupe::model
