// Writing of files that must outlive a crash. Any thread; one at a time for a file. What fails throws Error: it names the file, and
// gives the remedy as what to do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "runtime/base/file_descriptor.hpp"

namespace troupe {

// For as long as it is open, no other process may lock it. await_lock waits for one that has; a folder may be locked, too.
void lock_file(const FileDescriptor& file, const std::filesystem::path& name, std::string_view remedy);
void await_lock(const FileDescriptor& file, const std::filesystem::path& name, std::string_view remedy);

// Where the file's position is. Some of the bytes may be written when it throws.
void write_whole(const FileDescriptor& file, std::string_view bytes, const std::filesystem::path& name,
                 std::string_view remedy = {});

// Leaves the first `bytes` of the file, and writes on behind them.
void cut_file(const FileDescriptor& file, std::uint64_t bytes, const std::filesystem::path& name,
              std::string_view remedy = {});

// What was written is on the disk when it returns.
void sync_file(const FileDescriptor& file, const std::filesystem::path& name, std::string_view remedy = {});
// So are the names of its files.
void sync_folder(const std::filesystem::path& folder, std::string_view remedy = {});

}  // namespace troupe
