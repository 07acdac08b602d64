// The endpoints that report and change nothing: models,
// health, start-up, metrics, version, replica. Any thread.
#pragma once

#include "actors/edge/reply.hpp"
#include "actors/edge/routes.hpp"
#include "actors/service.hpp"

namespace troupe::actors::edge {

// resource: neither an inference endpoint nor is_replica_control. version: of the program.
Reply status_page(const Resource& resource, const Service& service, const std::string& version);

// The refusal that an inference request gets now, if it gets one.
Expected<void> accepts_inference(const Service& service);

}  // namespace troupe::actors::edge
