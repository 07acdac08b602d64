#include "launch/node_process.hpp"

#include <signal.h>

#include <thread>

#include "actors/link/link.hpp"
#include "actors/system_config.hpp"
#include "launch/stop_signals.hpp"
#include "runtime/base/log.hpp"
#include "transport/host/rendezvous.hpp"
#include "transport/rdma.hpp"

namespace troupe::launch {

actors::NodeSettings node_settings(const config::Settings& settings, actors::TlsIdentity identity,
                                   const std::string& host, std::uint16_t port) {
  actors::NodeSettings node;
  node.order.host = host;
  node.order.port = port;
  node.order.network = settings.tensor_interface.empty() ? "127.0.0.1" : settings.tensor_interface;
  transport::check_network(node.order.network);
  node.order.log_level = settings.log_level;
  node.order.keep_weights = settings.keep_weights;
  node.nodes_here = settings.nodes_here;
  node.require_rdma = settings.require_rdma;
  if (settings.require_rdma) transport::require_rdma();
  node.threads = settings.threads;
  node.identity = std::move(identity);
  return node;
}

int run_node(actors::NodeSettings settings) {
  const sigset_t stop = block_stop_signals(false);
  set_log_level(parse_log_level(settings.order.log_level));
  actors::LinkedConfig config(settings.identity);
  caf::actor_system system{config};
  const auto here = system.spawn(actors::node, settings);
  std::jthread stopping([&](const std::stop_token& over) {
    while (!over.stop_requested())
      if (stop_signal_came(stop)) return caf::anon_send(here, actors::End{});
  });
  const actors::LinkEnd end = actors::keep_linked<actors::ReplicaSupervisorHandle>(
      system, settings.order.host, settings.order.port, here.address(),
      [&](const actors::ReplicaSupervisorHandle& supervisor) {
        caf::anon_send(here, actors::SupervisorFound{supervisor});
      });
  caf::anon_send(here, actors::End{});
  const std::string replica = settings.order.host + ":" + std::to_string(settings.order.port);
  switch (end.why) {
    case actors::LinkEnd::Why::shut_down:
      break;
    case actors::LinkEnd::Why::head_gone:
      throw Error("the replica's first node cannot be reached", replica, "start the replica again");
    case actors::LinkEnd::Why::failed:
      throw Error(end.reason, replica, "see `troupe status`, and run the same program as the other nodes");
  }
  return 0;
}

}  // namespace troupe::launch
