#include "launch/demo_model.hpp"

#include "launch/own_data.hpp"
#include "runtime/base/error.hpp"

namespace troupe::launch {

std::filesystem::path demo_model() {
  const std::filesystem::path folder = own_data("demo", TROUPE_DEMO_MODEL);
  if (exists(folder / "config.json")) return folder;
  throw Error("the demo model is not installed", folder.string(), "name a CHECKPOINT");
}

std::filesystem::path checkpoint_or_demo(const std::string& given) {
  return given.empty() ? demo_model() : std::filesystem::path(given);
}

}  // namespace troupe::launch
