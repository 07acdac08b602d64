#include "launch/mpi_serve.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

#include "launch/identity.hpp"
#include "launch/node_process.hpp"
#include "launch/server.hpp"
#include "launch/stop_signals.hpp"
#include "transport/mpi/mpi_launch.hpp"

namespace troupe::launch {
namespace {

using transport::MpiLaunch;

// Tells the others where to join, then leaves MPI. Certificates of hosts stay where they are; those of the
// launch go with it, which is on one host then.
int lead(std::optional<MpiLaunch>& mpi, const config::Settings& settings,
         const std::filesystem::path& checkpoint) {
  try {
    Launch launch{identity_of_launch(settings), {}};
    const std::string shared = settings.tls_ca.empty() ? to_text(launch.identity) : "";
    launch.door_opened = [&](std::uint16_t port) {
      mpi->broadcast(nlohmann::json{{"port", port}, {"identity", shared}}.dump());
      mpi.reset();
    };
    return run_server(settings, checkpoint, launch);
  } catch (...) {
    if (mpi) mpi->broadcast("");
    throw;
  }
}

int follow(std::optional<MpiLaunch>& mpi, const config::Settings& settings) {
  const std::string text = mpi->broadcast("");
  mpi.reset();
  if (text.empty()) throw Error("the first node could not start; its message says why", "mpirun");
  const auto told = nlohmann::json::parse(text);
  const std::string shared = told.at("identity");
  return run_node(node_settings(settings, shared.empty() ? read_identity(settings) : identity_of(shared),
                                settings.control_host, told.at("port")));
}

}  // namespace

bool under_mpirun() {
  return MpiLaunch::present();
}

std::int32_t mpirun_processes() {
  return std::atoi(std::getenv("OMPI_COMM_WORLD_SIZE"));
}

bool first_of_host() {
  const char* rank = std::getenv("OMPI_COMM_WORLD_LOCAL_RANK");
  return !rank || std::atoi(rank) == 0;
}

void leave_mpirun() {
  const MpiLaunch joined;
}

int serve_under_mpirun(config::Settings& settings, const std::filesystem::path& checkpoint) {
  std::optional<MpiLaunch> mpi(std::in_place);
  // One that comes before the server listens is heeded then.
  // The others may be ended while they wait for the first.
  if (mpi->rank() == 0) block_stop_signals(true);
  if (settings.control_host == "0.0.0.0" || settings.control_host == "::")
    throw Error("the other nodes cannot connect to '" + settings.control_host + "'", "--control-host",
                "give an address of the first host");
  if (!mpi->one_host() && config::is_loopback(settings.control_host))
    throw Error("the processes are on several hosts, which cannot reach each other's loopback",
                "--control-host",
                "give the first host's address, certificates (troupe certs) and --tensor-interface");
  settings.nodes_here = mpi->on_host();
  return mpi->rank() == 0 ? lead(mpi, settings, checkpoint) : follow(mpi, settings);
}

}  // namespace troupe::launch
