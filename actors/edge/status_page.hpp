// The page that shows the live replica to a browser. Any thread.
#pragma once

#include "actors/edge/reply.hpp"

namespace troupe::actors::edge {

// Holds nothing itself: its script asks /v1/replica, /v1/scheduler and /metrics, with the key that its reader types in.
Reply status_page();

}  // namespace troupe::actors::edge
