// Anthropic's API. Any thread.
#pragma once

#include <span>

#include "actors/edge/protocol.hpp"

namespace troupe::actors::edge::anthropic {

std::span<const Endpoint> endpoints();

}  // namespace troupe::actors::edge::anthropic
