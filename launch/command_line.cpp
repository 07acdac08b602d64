#include "launch/command_line.hpp"

#include <iostream>

#include "config/environment.hpp"
#include "config/read.hpp"

namespace troupe::launch {

bool read_command_line(const config::Page& page, config::Table& table, const Arguments& arguments) {
  const auto environment = config::process_environment();
  if (config::read(table, {arguments, environment})) return true;
  std::cout << config::manual(page, table);
  return false;
}

}  // namespace troupe::launch
