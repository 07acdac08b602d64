// A request's body as JSON, within limits that hold before anything is built from it. Any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "config/edge_settings.hpp"
#include "runtime/base/error.hpp"

namespace troupe::actors::edge {

using Json = nlohmann::ordered_json;  // chat templates print objects in the client's order

// An object; anything else, bad UTF-8 included, is refused. The message never quotes the body, and calls it by its name.
Expected<Json> parse_body(std::string_view body, const config::RequestLimits& limits,
                          std::string_view name = "request body");

}  // namespace troupe::actors::edge
