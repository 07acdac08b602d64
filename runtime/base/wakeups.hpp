// Which thread goes on where one wakes another. Of the calling thread, and of those that it starts. Where their class is not one of
// the two below, somebody has chosen it, and it stays.
#pragma once

#include <sched.h>

namespace troupe {

// When it is woken it takes no core from a thread that computes: it waits for an idle one, or for its turn (sched(7),
// SCHED_BATCH). Else the kernel often lets a thread that hands over a step's result stand still until that was dealt with.
inline void wait_for_an_idle_core() {
  constexpr sched_param no_priority{};
  if (sched_getscheduler(0) == SCHED_OTHER) (void)sched_setscheduler(0, SCHED_BATCH, &no_priority);
}

// As is usual: who was started by one of those.
inline void take_a_core_when_woken() {
  constexpr sched_param no_priority{};
  if (sched_getscheduler(0) == SCHED_BATCH) (void)sched_setscheduler(0, SCHED_OTHER, &no_priority);
}

}  // namespace troupe
