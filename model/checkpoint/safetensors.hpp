// The safetensors format (https://huggingface.co/docs/safetensors): a little-endian u64 header length, a JSON
// header of names, types, shapes and offsets, then the bytes. Files are mapped for reading and streamed for
// writing; a file must not shrink while it is mapped. A SafetensorsFile is immutable and may be read from any
// thread; a writer belongs to one thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "model/checkpoint/mapped_file.hpp"
#include "model/checkpoint/new_file.hpp"
#include "model/checkpoint/stored_tensor.hpp"

namespace troupe::model {

constexpr std::size_t max_safetensors_header = 100'000'000;  // bytes; the reference implementation's limit
constexpr std::size_t max_stored_dimensions = 8;

class SafetensorsFile {
 public:
  // Maps the file and checks its header whole: throws Error, with file and tensor names, for a header or an
  // offset outside the file, shapes that contradict their bytes, overlaps, holes, repeated names, unknown
  // types, and anything else that the format does not allow.
  static SafetensorsFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::map<std::string, StoredTensor, std::less<>>& tensors() const { return tensors_; }

 private:
  SafetensorsFile() = default;

  std::filesystem::path path_;
  MappedFile mapping_;
  std::map<std::string, StoredTensor, std::less<>> tensors_;
};

struct TensorHeader {
  std::string name;
  kernels::DType dtype = kernels::DType::f32;
  std::vector<std::int64_t> shape;

  std::size_t bytes() const;
};

// As NewFile writes.
class SafetensorsWriter {
 public:
  // Throws Error when the file cannot be made.
  SafetensorsWriter(const std::filesystem::path& path, std::span<const TensorHeader> tensors);

  // The bytes of the tensors, in their order, in pieces of any size. Throws Error when the disk is full.
  void append(std::span<const std::byte> bytes);
  // CHECKs that all bytes were appended. Throws Error when they cannot be stored.
  void finish();

 private:
  NewFile file_;
  std::size_t missing_ = 0;  // bytes still to be appended
};

struct TensorToWrite {
  TensorHeader header;
  std::span<const std::byte> bytes;
};
void write_safetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors);

}  // namespace troupe::model
