// The command line as a source of settings.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/setting.hpp"

namespace troupe::config {

struct Flags {
  std::vector<Given> given;  // in the order of the table
  bool help = false;         // --help or -h was among them
};

// arguments: those behind the subcommand's name. A switch x is also --no-x; underscores count as dashes; of a
// flag given twice the last counts. Throws UsageError for an unknown flag (naming the nearest), an argument
// too many, a missing value.
Flags parse_flags(Table& table, std::span<const std::string> arguments);

}  // namespace troupe::config
