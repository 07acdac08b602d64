// The control groups of this process, of both versions. Any thread.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

namespace troupe {

struct ControlGroup {
  int version = 2;
  std::filesystem::path folder;  // may not exist
};

// Of all hierarchies with this controller, such as "memory": each from its root to the group of this process. Inside a
// container the named folder may not exist: then the hierarchy's root is the container's own group. root: where proc/ and
// sys/ stand.
std::vector<ControlGroup> control_groups(std::string_view controller,
                                         const std::filesystem::path& root = "/");

}  // namespace troupe
