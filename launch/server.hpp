// The server: all actors of one replica, and the HTTP edge before them.
#pragma once

#include <filesystem>
#include <functional>

#include "actors/link/identity.hpp"
#include "actors/replica.hpp"
#include "config/settings.hpp"

namespace troupe::launch {

// What the first node of several processes has besides the settings.
struct Launch {
  actors::TlsIdentity identity;
  std::function<void(std::uint16_t port)> door_opened;  // see actors::ReplicaOptions::Processes; may be empty
};

// Whether each rank is a process of its own: where there are several, and on GPUs, of which a process can use none any more
// that has once failed there.
bool ranks_are_processes(const config::Settings& settings);

// The replica alone; weights are read behind the caller's back, see Replica::ready. settings and launch outlive it.
// Throws Error if the checkpoint cannot be served.
std::shared_ptr<actors::Replica> start_replica(const config::Settings& settings,
                                               const std::filesystem::path& checkpoint, const Launch& launch);

// Returns true once it serves, false once the caller has given it up. Throws Error if it turns out not to load; checkpoint
// is named then.
bool wait_until_ready(const actors::Replica& replica, const std::filesystem::path& checkpoint,
                      const std::function<bool()>& given_up);

// Serves until the process is told to stop (see stop_signals.hpp); returns the exit code. Throws Error if the
// checkpoint cannot be served or the address cannot be listened on. Main thread only.
int run_server(const config::Settings& settings, const std::filesystem::path& checkpoint,
               const Launch& launch);

}  // namespace troupe::launch
