// Reads a command's settings from all sources: flags are stronger than environment variables, those than the
// settings file, and that than defaults. Called once, by the main thread.
#pragma once

#include <span>
#include <string>

#include "config/setting.hpp"

namespace troupe::config {

struct Sources {
  std::span<const std::string> arguments;    // behind the subcommand's name
  std::span<const std::string> environment;  // "NAME=value"
};

// Sets the targets of the table. False if help was asked for; nothing is
// set then. Throws UsageError, and Error if the settings file cannot be
// read. A table with a setting named "config" reads the file that it names.
bool read(Table& table, const Sources& sources);

// All settings of a table as TOML, with who set each; secrets are hidden.
std::string show(const Table& table);

}  // namespace troupe::config
