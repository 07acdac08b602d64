#include <iostream>

#include "config/read.hpp"
#include "launch/command_line.hpp"
#include "launch/identity.hpp"
#include "launch/node_process.hpp"
#include "runtime/base/log.hpp"

namespace troupe::launch {
namespace {

constexpr config::Page page{
    .command = "node",
    .summary = "joins a replica as one of its nodes",
    .description =
        "Starts and watches workers of a replica that `troupe serve` leads elsewhere: as the second, "
        "third... node of one that was started with --nodes, or in place of one that was lost. The "
        "checkpoint must lie in the same folder as there.\n\n"
        "It ends with the replica, or when the replica has no place for it.",
    .examples =
        "$ troupe node --join 10.0.0.1:7000 --tensor-interface eth1 \\\n"
        "    --tls-ca ca.pem --tls-certificate b.pem --tls-key b.key"};

std::pair<std::string, std::uint16_t> host_and_port(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
  const bool digits =
      !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || colon == 0 || std::stoul(port) == 0 || std::stoul(port) > 65535)
    throw config::UsageError("'" + address + "' is not HOST:PORT", "--join",
                             "the first node's log names its control port");
  return {address.substr(0, colon), std::uint16_t(std::stoul(port))};
}

}  // namespace

int node(const Arguments& arguments) {
  config::Settings settings;
  std::string address;
  config::Table table{{.name = "join",
                       .target = &address,
                       .section = "NODE",
                       .argument = "HOST:PORT",
                       .help = "Control address of the replica's first node.",
                       .required = true}};
  for (config::Setting& each : config::node_schema(settings)) {
    if (each.name.starts_with("tls-")) each.unset = {};  // here they must be given
    table.push_back(std::move(each));
  }
  if (!read_command_line(page, table, arguments)) return 0;
  config::validate_links(settings);
  if (settings.show_config) {
    std::cout << config::show(table);
    return 0;
  }
  const auto [host, port] = host_and_port(address);
  if (settings.tls_ca.empty())
    throw config::UsageError("a node joins with a certificate of the replica", "--tls-ca",
                             "give --tls-ca, --tls-certificate and --tls-key; troupe certs makes them");
  if (!config::is_loopback(host) && settings.tensor_interface.empty())
    throw config::UsageError("'" + host + "' is not loopback, and tensors have no network",
                             "--tensor-interface", "name the interface for them");
  return run_node(node_settings(settings, read_identity(settings), host, port));
}

}  // namespace troupe::launch
