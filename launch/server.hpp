// The server: all actors of one replica, and the HTTP edge before them.
#pragma once

#include <filesystem>

#include "config/settings.hpp"

namespace troupe::launch {

// Serves until the process is told to stop (SIGINT, SIGTERM); returns the exit code. Throws Error if the
// checkpoint cannot be served or the address cannot be listened on. Main thread only.
int run_server(const config::Settings& settings, const std::filesystem::path& checkpoint);

}  // namespace troupe::launch
