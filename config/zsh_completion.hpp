// Completion of the command line in zsh. Any thread.
#pragma once

#include <string>

#include "config/manual.hpp"

namespace troupe::config {

// A function: what one command takes.
std::string zsh_function(const Page& page, const Table& table);

// The file _troupe of a folder of fpath, with the functions of all commands.
std::string zsh_script(const std::string& functions);

}  // namespace troupe::config
