// Who may use the inference endpoints. Any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "runtime/base/error.hpp"

namespace troupe::actors::edge {

// authorization, x_api_key: values of these headers, empty when there are none; Anthropic's clients send the second.
// With no keys everyone may. The time that it takes tells nothing about how much of a key was right.
Expected<void> check_api_key(std::string_view authorization, std::string_view x_api_key,
                             std::span<const std::string> keys);

}  // namespace troupe::actors::edge
