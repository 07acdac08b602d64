// Lets the work of the grammar engine end where it is too much. The engine has no such thing, but it is full of checks
// of itself that may throw and are off in what we build; cmake/xgrammar.cmake includes this file before all of its
// sources, so that each of these checks is counted (model/grammar/engine_bounds.hpp). It is read by C++17.
#pragma once

#include <support/logging.h>

namespace troupe::model {

// Checks until the thread's bound is looked at; negative: it has none.
extern thread_local int checks_left;
void look_at_bound();  // throws where it is reached

inline void count_check() {
  if (checks_left >= 0 && checks_left-- == 0) look_at_bound();
}

}  // namespace troupe::model

#undef XGRAMMAR_DCHECK
#define XGRAMMAR_DCHECK(x) \
  for (::troupe::model::count_check(); false;) XGRAMMAR_ICHECK(x)
