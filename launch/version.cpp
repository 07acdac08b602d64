#include <iostream>

#include "launch/command_line.hpp"

namespace troupe::launch {
namespace {

constexpr config::Page page{.command = "version",
                            .summary = "prints the version",
                            .description = "Prints the program's name and version.",
                            .examples = "$ troupe version"};

}  // namespace

int version(const Arguments& arguments) {
  config::Table table;
  if (!read_command_line(page, table, arguments)) return 0;
  std::cout << "troupe " TROUPE_VERSION "\n";
  return 0;
}

}  // namespace troupe::launch
