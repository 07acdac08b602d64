// Files that are there whole or not at all. Any thread.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

namespace troupe::launch {

// In the place of what is there. Throws Error that names the file.
void write_whole_file(const std::filesystem::path& file, const std::string& text, mode_t mode);

}  // namespace troupe::launch
