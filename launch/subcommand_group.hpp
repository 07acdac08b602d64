// Subcommands that have subcommands of their own, as `troupe bench serve`.
#pragma once

#include <string_view>
#include <vector>

#include "launch/subcommands.hpp"

namespace troupe::launch {

struct SubcommandGroup {
  struct Member {
    std::string_view name;
    int (*run)(const Arguments&);
    std::string_view synopsis;  // its arguments
  };
  std::string_view name, summary;
  std::string_view missing, unknown;  // what is wrong with no name, and with one that no member has
  std::vector<Member> members;        // at least one
};

// Runs the member that the first argument names, with the others; --help prints a page. Throws UsageError if none is named.
int run_group(const SubcommandGroup& group, const Arguments& arguments);

}  // namespace troupe::launch
