// How long a request may take, as the operator has it and as its client asks in a header. Any thread.
#pragma once

#include <string_view>

#include "config/edge_settings.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/time_limits.hpp"

namespace troupe::actors::edge {

// x-request-timeout: seconds, such as "2.5"; it may shorten what the operator permits. Empty: the client does not ask.
Expected<TimeLimits> time_limits(const config::EdgeSettings& settings, std::string_view x_request_timeout);

}  // namespace troupe::actors::edge
