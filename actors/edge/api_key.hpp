// Who may use the inference endpoints. Any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "runtime/base/error.hpp"

namespace troupe::actors::edge {

// authorization: value of the header, empty when there is none. With no keys everyone may. The time that it
// takes tells nothing about how much of a key was right.
Expected<void> check_api_key(std::string_view authorization, std::span<const std::string> keys);

}  // namespace troupe::actors::edge
