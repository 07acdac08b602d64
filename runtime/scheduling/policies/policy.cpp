#include "runtime/scheduling/policies/policy.hpp"

#include <map>

#include "runtime/base/error.hpp"

namespace troupe::runtime {
namespace {

std::map<std::string, PolicyFactory, std::less<>>& registry() {
  static std::map<std::string, PolicyFactory, std::less<>> factories;
  return factories;
}

}  // namespace

bool register_policy(std::string_view name, PolicyFactory make) {
  CHECK(registry().emplace(name, std::move(make)).second, "two batch policies of one name");
  return true;
}

std::unique_ptr<BatchPolicy> make_policy(std::string_view name) {
  if (auto found = registry().find(name); found != registry().end()) return found->second();
  std::string known;
  for (const std::string& each : policy_names()) known += " " + each;
  throw Error("unknown batch policy '" + std::string(name) + "'", "", "known:" + known);
}

std::vector<std::string> policy_names() {
  std::vector<std::string> names;
  for (const auto& [name, make] : registry()) names.push_back(name);
  return names;
}

}  // namespace troupe::runtime
