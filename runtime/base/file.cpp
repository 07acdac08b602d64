#include "runtime/base/file.hpp"

#include <fstream>
#include <system_error>

#include "runtime/base/error.hpp"

namespace troupe {

std::string read_file(const std::filesystem::path& file, std::size_t max_bytes) {
  std::error_code failure;
  if (!std::filesystem::is_regular_file(file, failure)) throw Error("no such file", file.string());
  const std::uintmax_t size = std::filesystem::file_size(file, failure);
  if (failure) throw Error("cannot be read: " + failure.message(), file.string());
  if (size > max_bytes) {
    throw Error("has " + std::to_string(size) + " bytes, more than the " + std::to_string(max_bytes) +
                    " that are accepted",
                file.string());
  }
  std::string content(size, '\0');
  std::ifstream in(file, std::ios::binary);
  if (!in.read(content.data(), std::streamsize(size))) throw Error("cannot be read", file.string());
  return content;
}

}  // namespace troupe
