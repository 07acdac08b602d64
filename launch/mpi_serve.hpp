// `troupe serve` under mpirun: the first process leads, the others are nodes.
#pragma once

#include <filesystem>

#include "config/settings.hpp"

namespace troupe::launch {

bool under_mpirun();
std::int64_t mpirun_processes();

// Until the replica ends; returns the exit code. Throws Error. Main thread only.
int serve_under_mpirun(const config::Settings& settings, const std::filesystem::path& checkpoint);

}  // namespace troupe::launch
