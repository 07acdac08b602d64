// An actor system whose actors run when a test says so.
#pragma once

#include "actors/system_config.hpp"

namespace troupe::actors {

struct TestConfig : LocalConfig {
  TestConfig() { set("scheduler.policy", caf::atom("testing")); }
};

}  // namespace troupe::actors
