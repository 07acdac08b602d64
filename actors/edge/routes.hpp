// Which endpoint a request's target names, and what may be done with it. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "actors/edge/protocol.hpp"

namespace troupe::actors::edge {

struct Resource {
  const Endpoint* endpoint = nullptr;
  std::string argument;  // what stands for {id}, decoded
  std::string allow;     // what may be done at its path, which several endpoints may share
};

// method: which of the endpoints of one path is meant; where none allows it, the first is.
// target: as it came: a path with or without a query, or a whole URL. 400 when malformed, 404 when unknown.
// replica_control: whether there are resources that change the replica. root_path: may stand before every path.
Expected<Resource> find_resource(std::string_view method, std::string_view target,
                                 bool replica_control = false, std::string_view root_path = {});

tl::unexpected<Refusal> refuse_route();  // 404

bool allows(const Endpoint& endpoint, std::string_view method);

// Every endpoint of every protocol.
std::vector<const Endpoint*> all_endpoints();

// Whose it is: "openai", "anthropic", ...; "troupe" for what no other server has.
std::string_view protocol_of(const Endpoint& endpoint);

}  // namespace troupe::actors::edge
