// The API key that a subcommand shows to the server that it asks. Main thread only.
#pragma once

#include <string>

#include "config/settings.hpp"

namespace troupe::launch {

config::Setting server_key_setting(config::Settings& settings);
// The first of the keys; empty: none is shown. Throws UsageError for what no header can hold.
std::string server_key(const config::Settings& settings);

}  // namespace troupe::launch
