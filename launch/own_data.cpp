#include "launch/own_data.hpp"

namespace troupe::launch {

std::filesystem::path own_data(std::string_view name, const std::filesystem::path& built) {
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  const auto installed = program.parent_path().parent_path() / "share/troupe" / name;
  return exists(installed) ? installed : built;
}

}  // namespace troupe::launch
