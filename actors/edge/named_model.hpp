// The field "model" where a request may leave it out. Any thread.
#pragma once

#include "actors/edge/request_fields.hpp"
#include "actors/service.hpp"

namespace troupe::actors::edge {

// Keeps a 404 in fields when it names a model that is not served.
void check_named_model(RequestFields& fields, const ModelInfo& model, const config::RequestLimits& limits);

}  // namespace troupe::actors::edge
