// Which thread goes on where one wakes another. Any thread.
#pragma once

#include <sched.h>

namespace troupe {

// The calling thread, and all that it and they start, take no core from one that computes when they are woken: they wait for
// an idle one, or until its turn is over (sched(7), SCHED_BATCH). Else the kernel often lets a thread that hands over a step's
// result stand still until that has been dealt with. Where the class is not the default one, somebody has chosen it.
inline void let_the_waking_thread_go_on() {
  constexpr sched_param no_priority{};
  if (sched_getscheduler(0) == SCHED_OTHER) (void)sched_setscheduler(0, SCHED_BATCH, &no_priority);
}

}  // namespace troupe
