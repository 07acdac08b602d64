// Policies out of the tree: a shared object whose file is one that could stand in this folder. It runs in the program, with all
// that this can break; what it throws or proposes breaks nothing. Main thread, before others ask for policies.
#pragma once

#include <filesystem>

namespace troupe::runtime {

// From now on make_policy knows its policies. Throws Error, which names the file and the policy, for one that was built for
// another version of the program, whose name is taken, or that is no plugin.
void load_policy_plugin(const std::filesystem::path& file);

}  // namespace troupe::runtime
