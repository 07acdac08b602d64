// MANIFEST.sha256 of a folder: what `sha256sum -c` reads, a line for each file with its SHA-256. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

namespace troupe::launch::pull {

inline constexpr std::size_t max_manifest_bytes = 16 << 20;
inline constexpr std::size_t most_told_faults = 100;  // of files in one error

struct Manifest {
  std::string origin;  // the comment that it begins with: where the files came from; may be empty
  std::map<std::string, std::string> sha256;  // by name: 64 hexadecimal digits, small letters
};

std::string text_of(const Manifest& manifest);
// where: what errors name. Throws Error for a line that is none, a name that leads out of the folder, and one that is there twice.
Manifest parse_manifest(const std::string& text, const std::string& where);
// Throws Error, also where the folder has none.
Manifest read_manifest(const std::filesystem::path& folder);

struct Verified {
  std::size_t files = 0;
  std::uint64_t bytes = 0;
};

// Reads all files of the folder, `threads` at a time, and compares. progress: bytes that are read, and all there are; on any
// thread, one at a time. Throws Error that names each file that is missing, is not in the manifest, cannot be read, or has
// another hash, with both.
Verified verify_manifest(const std::filesystem::path& folder, int threads,
                         const std::function<void(std::uint64_t done, std::uint64_t all)>& progress);

// Where the manifest of a checkpoint is: in its folder, or in that of a GGUF file.
std::filesystem::path folder_of(const std::filesystem::path& checkpoint);

}  // namespace troupe::launch::pull
