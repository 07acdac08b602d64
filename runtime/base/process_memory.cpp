#include "runtime/base/process_memory.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "runtime/base/control_groups.hpp"
#include "runtime/base/error.hpp"

namespace troupe {
namespace {

namespace fs = std::filesystem;

// The kB of a line such as "MemTotal:  24596508 kB", as bytes.
std::size_t field_of(const fs::path& file, std::string_view field) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(field)) continue;
    std::size_t kilobytes = 0;
    if (std::istringstream(line.substr(field.size())) >> kilobytes) return kilobytes * 1024;
  }
  throw Error("no field " + std::string(field), file.string(), "set the size of the KV cache in bytes");
}

constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

// A file that holds one number; absent, or "max": no limit.
std::size_t limit_in(const fs::path& file) {
  std::ifstream in(file);
  std::size_t bytes = 0;
  return in >> bytes ? bytes : unlimited;
}

// What the files of a control group are called.
struct GroupFiles {
  const char *limit, *used, *inactive_pages, *active_pages;
};
constexpr GroupFiles version_1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file",
                               "total_active_file"},
    version_2{"memory.max", "memory.current", "inactive_file", "active_file"};

// The smallest of(folder, files) of this process' control groups.
template <class Of>
std::size_t smallest(const fs::path& root, Of of) {
  std::size_t least = unlimited;
  for (const ControlGroup& each : control_groups("memory", root))
    least = std::min(least, of(each.folder, each.version == 1 ? version_1 : version_2));
  return least;
}

// Bytes of files' pages, which the group gives back when it needs them.
std::size_t reclaimable(const fs::path& folder, const GroupFiles& files) {
  std::ifstream in(folder / "memory.stat");
  std::size_t sum = 0, bytes = 0;
  for (std::string name; in >> name >> bytes;)
    if (name == files.inactive_pages || name == files.active_pages) sum += bytes;
  return sum;
}

std::size_t left_in(const fs::path& folder, const GroupFiles& files) {
  const std::size_t limit = limit_in(folder / files.limit), used = limit_in(folder / files.used);
  if (limit == unlimited || used == unlimited) return unlimited;
  return limit - std::min(limit, used - std::min(used, reclaimable(folder, files)));
}

}  // namespace

std::size_t memory_limit(const fs::path& root) {
  return std::min(field_of(root / "proc/meminfo", "MemTotal:"),
                  smallest(root, [](const fs::path& folder, const GroupFiles& files) {
                    return limit_in(folder / files.limit);
                  }));
}

std::size_t memory_available(const fs::path& root) {
  return std::min(field_of(root / "proc/meminfo", "MemAvailable:"), smallest(root, left_in));
}

std::size_t memory_resident(const fs::path& root) {
  const fs::path status = root / "proc/self/status";
  return field_of(status, "RssAnon:") + field_of(status, "RssShmem:");
}

}  // namespace troupe
