// The GGUF format (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), versions 2 and 3, little-endian: magic,
// version, counts; keys with values; names, shapes, types and offsets of tensors; then, aligned, their bytes. Files are
// mapped. Immutable; any thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "model/checkpoint/mapped_file.hpp"
#include "model/checkpoint/stored_tensor.hpp"
#include "model/gguf/gguf_value.hpp"

namespace troupe::model {

constexpr std::size_t max_gguf_header = std::size_t(1) << 28;  // bytes before those of tensors
constexpr std::size_t max_gguf_keys = 1 << 16;
constexpr std::size_t max_gguf_key = 1 << 16;  // bytes of a key's name; the format's limit
constexpr std::size_t max_gguf_tensors = 1 << 18;
constexpr std::size_t max_gguf_tensor_name = 64;     // bytes; ggml's limit
constexpr std::size_t max_gguf_array = 1 << 22;      // elements
constexpr std::size_t max_gguf_elements = 1 << 23;   // of all arrays; each takes 8 bytes of memory, a text 16
constexpr std::size_t max_gguf_alignment = 1 << 20;  // bytes
constexpr std::size_t max_gguf_dimensions = 4;

class GgufFile {
 public:
  // Maps the file and checks all that comes before the tensors' bytes: throws Error, with file and key or tensor, for
  // what reaches past the end of the file, goes past a limit above, repeats a name, overlaps, is misaligned, has a shape
  // that its type cannot have, and for types of tensors that are not served.
  static GgufFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  bool has(std::string_view key) const { return keys_.contains(key); }
  // Throws Error when the key is missing.
  const GgufValue& at(std::string_view key) const;
  const std::map<std::string, GgufValue, std::less<>>& keys() const { return keys_; }
  // Shapes have the rows first, as everywhere here: the reverse of the file's.
  const std::map<std::string, StoredTensor, std::less<>>& tensors() const { return tensors_; }

 private:
  GgufFile() = default;
  friend class GgufHeader;

  std::filesystem::path path_;
  MappedFile mapping_;
  std::map<std::string, GgufValue, std::less<>> keys_;
  std::map<std::string, StoredTensor, std::less<>> tensors_;
};

constexpr std::size_t max_gguf_splits = 1024;  // files

// A file, or all files of a set NAME-00001-of-0000N.gguf, of which any may be named; the keys that tell of the model are
// the first one's. Throws Error as above, and for a set that is not whole.
std::vector<GgufFile> open_gguf(const std::filesystem::path& path);

// The format's number of a type that it has (CHECKed).
std::uint32_t gguf_number(kernels::DType dtype);

// By its name.
bool is_gguf(const std::filesystem::path& path);

}  // namespace troupe::model
