#include "runtime/scheduling/policies/policy_plugin.hpp"

#include <dlfcn.h>

#include "runtime/base/error.hpp"
#include "runtime/scheduling/policies/policy_registry.hpp"

namespace troupe::runtime {
namespace {

constexpr const char* remedy =
    "build it with the headers of this version, as runtime/scheduling/policies/README.md shows";

}  // namespace

void load_policy_plugin(const std::filesystem::path& file) {
  PolicyRegistry& registry = PolicyRegistry::get();
  PolicyRegistry::Loading loading;
  registry.loading = &loading;
  // It stays: its policies may be asked for as long as the program runs.
  const void* const opened = dlopen(std::filesystem::absolute(file).c_str(), RTLD_NOW | RTLD_LOCAL);
  registry.loading = nullptr;
  if (!opened) throw Error(std::string("is no plugin for this program: ") + dlerror(), file.string(), remedy);
  if (!loading.refusals.empty()) {
    for (const std::string& each : loading.names) registry.makers.erase(each);
    throw Error(loading.refusals.front(), file.string(), remedy);
  }
  if (loading.names.empty()) throw Error("registers no policy, or is given twice", file.string());
}

}  // namespace troupe::runtime
