// What the settings of speculative decoding come to.
#pragma once

#include "config/settings.hpp"

namespace troupe::config {

// Throws UsageError.
Speculation speculation_of(const Settings& settings);

}  // namespace troupe::config
