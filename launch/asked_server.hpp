// The flags of subcommands that ask a server, and with what they ask it. Main thread only.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "config/settings.hpp"
#include "launch/command_line.hpp"
#include "launch/load/stream_client.hpp"

namespace troupe::launch {

// The row of the server's URL, which must be given.
config::Setting server_url_setting(std::string& url);
// help: what the time is for; outlives the row.
config::Setting server_timeout_setting(std::chrono::milliseconds& timeout, std::string_view help);

// Reads a command line that has rows of the subcommand's own, which are flags alone, and the key's. False: it was asked for help.
bool read_with_key(const config::Page& page, config::Table own, config::Settings& settings,
                   const Arguments& arguments);

// What shows the key to the server; nothing where there is none. Throws UsageError for what no header can hold.
load::Headers key_headers(const config::Settings& settings);

}  // namespace troupe::launch
