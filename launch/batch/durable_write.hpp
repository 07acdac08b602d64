// Bytes at the end of a file, on its disk when the call returns. Any thread; one at a time for a file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "runtime/base/file_descriptor.hpp"

namespace troupe::launch::batch {

// Throws Error that names the file; some of the bytes may be written then.
void write_durably(const FileDescriptor& file, std::string_view bytes, const std::filesystem::path& name);

// Leaves the first `bytes` of the file, and writes on behind them. Throws Error.
void cut(const FileDescriptor& file, std::uint64_t bytes, const std::filesystem::path& name);

}  // namespace troupe::launch::batch
