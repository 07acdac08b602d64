// Whole files in memory. Any thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace troupe {

// Throws Error for what is no readable regular file of at most max_bytes.
std::string read_file(const std::filesystem::path& file, std::size_t max_bytes);

}  // namespace troupe
