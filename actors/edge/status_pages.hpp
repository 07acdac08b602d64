// The endpoints that report and change nothing: health, start-up, metrics, version. Any thread.
#pragma once

#include <span>

#include "actors/edge/protocol.hpp"

namespace troupe::actors::edge {

std::span<const Endpoint> status_endpoints();

// 200 while requests are served, else 503.
Reply readiness_page(const PageRequest& request);

// The refusal that an inference request gets now, if it gets one.
Refusal model_failed();
Expected<void> accepts_inference(const Service& service, const Departure& departure);

}  // namespace troupe::actors::edge
