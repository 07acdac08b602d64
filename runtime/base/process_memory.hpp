// How much memory this process may use, and uses, by what the system says. Any thread. root: where proc/ and sys/ stand.
#pragma once

#include <cstddef>
#include <filesystem>

namespace troupe {

// Bytes: the smallest of the machine's memory and its control groups' limits (v1 and v2). Throws Error when the
// machine does not tell.
std::size_t memory_limit(const std::filesystem::path& root = "/");
// Bytes that this process could take now: what the machine has left, and each of its control groups, pages of files that
// they would give back included. Throws Error when the machine does not tell.
std::size_t memory_available(const std::filesystem::path& root = "/");
// Bytes that are resident, but for files' pages, which the system takes back when it needs them.
std::size_t memory_resident(const std::filesystem::path& root = "/");

}  // namespace troupe
