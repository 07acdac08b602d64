#include "runtime/base/control_groups.hpp"

#include <fstream>
#include <string>

namespace troupe {

std::vector<ControlGroup> control_groups(std::string_view controller, const std::filesystem::path& root) {
  std::vector<ControlGroup> all;
  const auto climb = [&](int version, std::filesystem::path folder, const std::filesystem::path& group) {
    all.push_back({version, folder});
    for (const std::filesystem::path& part : group) all.push_back({version, folder /= part});
  };
  const std::filesystem::path mounted = root / "sys/fs/cgroup";
  const std::string wanted = "," + std::string(controller) + ",";
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "0::/a/b" (v2) or "4:memory:/a/b" (v1)
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::filesystem::path group = std::filesystem::path(line.substr(second + 1)).relative_path();
    if (controllers == ",,") climb(2, mounted, group);
    if (controllers.find(wanted) != std::string::npos) climb(1, mounted / controller, group);
  }
  return all;
}

}  // namespace troupe
