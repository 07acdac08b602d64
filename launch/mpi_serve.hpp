// `troupe serve` under mpirun: the first process leads, the others are nodes.
#pragma once

#include <filesystem>

#include "config/settings.hpp"

namespace troupe::launch {

bool under_mpirun();
std::int32_t mpirun_processes();
// Whether it is none of several on this host, or the first of them.
bool first_of_host();

// For the only process of an mpirun: from here on it may run on all CPUs, and MPI is left alone.
void leave_mpirun();

// For one of several: until the replica ends; returns the exit code. Sets nodes_here of the settings.
// Throws Error. Main thread only.
int serve_under_mpirun(config::Settings& settings, const std::filesystem::path& checkpoint);

}  // namespace troupe::launch
