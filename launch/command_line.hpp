// The command line of a subcommand: settings from all sources, or its manual page.
#pragma once

#include "config/manual.hpp"
#include "config/setting.hpp"
#include "launch/subcommands.hpp"

namespace troupe::launch {

// Sets the targets of the table from the arguments, this process's
// environment and, if the table has a setting "config", a TOML file. False if
// --help was asked for: the page is printed then, and there is nothing to do.
bool read_command_line(const config::Page& page, config::Table& table, const Arguments& arguments);

}  // namespace troupe::launch
