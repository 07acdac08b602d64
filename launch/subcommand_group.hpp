// Subcommands that have subcommands of their own, as `troupe bench serve`; and the program, whose subcommands they are.
#pragma once

#include <string_view>
#include <vector>

#include "config/manual.hpp"
#include "launch/subcommands.hpp"

namespace troupe::launch {

struct SubcommandGroup {
  struct Member {
    std::string_view name, summary;
    int (*run)(const Arguments&);
  };
  std::string_view name, summary;     // no name: the program
  std::string_view missing, unknown;  // what is wrong with no name, and with one that no member has
  std::vector<Member> members;
};

// Runs the member that the first argument names, with the others; --help shows a page. Throws UsageError if none is named.
int run_group(const SubcommandGroup& group, const Arguments& arguments);

}  // namespace troupe::launch
