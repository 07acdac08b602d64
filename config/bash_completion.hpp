// Completion of the command line in bash. Any thread.
#pragma once

#include <string>

#include "config/manual.hpp"

namespace troupe::config {

// A function: what one command takes.
std::string bash_function(const Page& page, const Table& table);

// The file that bash reads, with the functions of all commands; it needs nothing else.
std::string bash_script(const std::string& functions);

}  // namespace troupe::config
