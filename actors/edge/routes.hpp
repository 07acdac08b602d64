// Which resource a request's target names, and what may be done with it. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/error.hpp"

namespace troupe::actors::edge {

enum class Endpoint {
  chat_completions,
  completions,
  models,
  model,
  health,
  livez,
  readyz,
  startupz,
  metrics,
  version,
  replica,
  replica_drill,
  replica_placement,
};

struct Resource {
  Endpoint endpoint = Endpoint::health;
  std::string_view pattern;  // for logs: "/v1/models/{id}"
  std::string_view allow;    // value of an Allow header
  bool needs_key = false;
  std::string argument;  // what stands for {id}, decoded
};

// target: as it came: a path with or without a query, or a whole URL. 400 when malformed, 404 when unknown.
// replica_control: whether there are resources that change the replica.
Expected<Resource> find_resource(std::string_view target, bool replica_control = false);

bool allows(const Resource& resource, std::string_view method);

}  // namespace troupe::actors::edge
