// TROUPE_* variables as a source of settings.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/setting.hpp"

namespace troupe::config {

// variables: "NAME=value". A list is separated by commas. Variables that only other commands know (those of
// `known`) are passed over. Throws UsageError for an unknown TROUPE_ variable, naming the nearest. What Kubernetes sets for a service of this name is no setting.
std::vector<Given> parse_environment(Table& table, std::span<const std::string> variables,
                                     const Table& known);

// The process's own.
std::vector<std::string> process_environment();

}  // namespace troupe::config
