#include "launch/policy_settings.hpp"

#include <algorithm>

#include "runtime/scheduling/policies/policy.hpp"
#include "runtime/scheduling/policies/policy_plugin.hpp"

namespace troupe::launch {
namespace {

void check_name(const std::string& name, const char* setting) {
  const auto names = runtime::policy_names();
  if (std::ranges::count(names, name)) return;
  std::string permitted = "permitted:";
  for (const std::string& each : names) permitted.append(" ").append(each);
  throw config::UsageError("'" + name + "' is unknown", setting, permitted);
}

}  // namespace

void load_plugins(const std::vector<std::string>& files) {
  for (const std::string& file : files) runtime::load_policy_plugin(file);
}

void check_policies(const config::Settings& settings) {
  load_plugins(settings.policy_plugin);
  check_name(settings.scheduling_policy, "--scheduling-policy");
  try {
    runtime::make_policy(settings.scheduling_policy, settings.policy_option);
    if (settings.shadow_policy.empty()) return;
    check_name(settings.shadow_policy, "--shadow-policy");
    runtime::make_policy(settings.shadow_policy);
  } catch (const config::UsageError&) {
    throw;
  } catch (const Error& error) {
    throw config::UsageError(error.what(), "");
  }
}

}  // namespace troupe::launch
