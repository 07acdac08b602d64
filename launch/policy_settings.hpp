// The batch policies that settings name, plugins' among them. Main thread, before others look for policies.
#pragma once

#include "config/settings.hpp"

namespace troupe::launch {

// Their policies are there from now on. Throws Error for what is no plugin for this program.
void load_plugins(const std::vector<std::string>& files);
// Loads the plugins. Throws UsageError for a policy that nobody has, or an option that the policy has not, or not with
// that value.
void check_policies(const config::Settings& settings);

}  // namespace troupe::launch
