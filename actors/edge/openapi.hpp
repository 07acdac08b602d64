// GET /openapi.json: what is served, as OpenAPI 3.1 has it. It is made of the tables of endpoints and by the parsers and
// answers themselves: fields are those that a parser asks for, errors are those that a protocol tells. Any thread.
#pragma once

#include <span>

#include "actors/edge/protocol.hpp"

namespace troupe::actors::edge {

std::span<const Endpoint> openapi_endpoints();

}  // namespace troupe::actors::edge
