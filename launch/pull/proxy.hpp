// The HTTP proxy that is between here and a host, as other programs read it from the environment: https_proxy or HTTPS_PROXY,
// http_proxy, and no_proxy or NO_PROXY. Any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "launch/pull/url.hpp"

namespace troupe::launch::pull {

// variable: of the environment; empty: it is not set. Loopback is asked directly. Throws Error for what is no URL of a proxy
// that speaks HTTP.
std::optional<Url> proxy_for(const Url& url, const std::function<std::string(const char* name)>& variable);

std::string process_variable(const char* name);

}  // namespace troupe::launch::pull
