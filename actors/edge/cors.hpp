// Which pages of other sites a browser lets read answers: the headers of the CORS protocol (Fetch Standard, section
// 3.2). Any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/edge_settings.hpp"

namespace troupe::actors::edge {

using HeaderFields = std::vector<std::pair<std::string, std::string>>;

// Of any answer. origin: value of the request's Origin header; empty: it had none, and it is no matter of CORS.
HeaderFields cors_fields(const config::CorsSettings& settings, std::string_view origin);

// What the answer to OPTIONS has besides, when a browser asks before it sends the request itself. method and headers:
// the values of Access-Control-Request-Method (empty: nobody asks) and Access-Control-Request-Headers. allow: the
// methods of the resource.
HeaderFields preflight_fields(const config::CorsSettings& settings, std::string_view origin,
                              std::string_view method, std::string_view headers, std::string_view allow);

}  // namespace troupe::actors::edge
