// Hashes of whole files. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace troupe::launch::pull {

struct FileHashes {
  std::uint64_t bytes = 0;
  std::string sha256;    // hexadecimal, small letters
  std::string git_blob;  // what git calls a file with these bytes, SHA-1; empty: it was not asked for
};

// progress: of the bytes that were just read; it may throw, to end it. Throws Error for what cannot be read.
FileHashes hash_file(const std::filesystem::path& file, bool with_git_blob,
                     const std::function<void(std::uint64_t bytes)>& progress);

}  // namespace troupe::launch::pull
