// The policies that the program has. Filled before main and while plugins are loaded, by one thread; read by any after that.
#pragma once

#include <map>

#include "runtime/scheduling/policies/policy.hpp"

namespace troupe::runtime {

struct PolicyRegistry {
  std::map<std::string, PolicyMaker, std::less<>> makers;  // by name

  // While a plugin is loaded: what it brings, and why some of that is refused.
  struct Loading {
    std::vector<std::string> names, refusals;
  };
  Loading* loading = nullptr;

  static PolicyRegistry& get();
};

}  // namespace troupe::runtime
