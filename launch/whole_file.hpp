// Files that are there whole or not at all. Any thread.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

namespace troupe::launch {

// In the place of what is there, links included. Throws Error that names the file.
void write_whole_file(const std::filesystem::path& file, const std::string& text, mode_t mode);
// So, but its owner, group and mode stay as they were. mode_of_new: where there is none. Throws Error, too, if they cannot be kept.
void rewrite_whole_file(const std::filesystem::path& file, const std::string& text, mode_t mode_of_new);

}  // namespace troupe::launch
