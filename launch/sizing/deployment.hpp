// A server's settings, as far as they change what a model takes. Any thread.
#pragma once

#include "config/settings.hpp"
#include "launch/sizing/sizing.hpp"

namespace troupe::launch::sizing {

// The flags that are read of them.
const std::vector<std::string_view>& memory_flags();
// context: tokens of a sequence. Writes the speculation that they ask for into the settings' limits, too. Throws UsageError
// for one that makes no sense.
Deployment deployment_of(config::Settings& settings, std::int32_t context);

}  // namespace troupe::launch::sizing
