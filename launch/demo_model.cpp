#include "launch/demo_model.hpp"

#include "runtime/base/error.hpp"

namespace troupe::launch {

std::filesystem::path demo_model() {
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  const auto installed = program.parent_path().parent_path() / "share/troupe/demo";
  for (const std::filesystem::path& folder : {installed, std::filesystem::path(TROUPE_DEMO_MODEL)})
    if (exists(folder / "config.json")) return folder;
  throw Error("the demo model is not installed", installed.string(), "name a CHECKPOINT");
}

std::filesystem::path checkpoint_or_demo(const std::string& given) {
  return given.empty() ? demo_model() : std::filesystem::path(given);
}

}  // namespace troupe::launch
