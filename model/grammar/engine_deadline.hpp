// Lets a compile of the grammar engine end when it takes too long. The engine has no such thing, but it is full of checks
// of itself that may throw and are off in what we build; cmake/xgrammar.cmake includes this file before all of its
// sources, so that each of these checks looks at the thread's deadline. It is read by C++17.
#pragma once

#include <support/logging.h>

namespace troupe::model {

// Checks until the clock is read again; negative: this thread has no deadline.
extern thread_local int checks_left;
void read_clock();  // throws EngineTimeout behind the deadline

inline void check_deadline() {
  if (checks_left >= 0 && checks_left-- == 0) read_clock();
}

}  // namespace troupe::model

#undef XGRAMMAR_DCHECK
#define XGRAMMAR_DCHECK(x) \
  for (::troupe::model::check_deadline(); false;) XGRAMMAR_ICHECK(x)
