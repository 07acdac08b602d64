// How an epoch ended, as far as that says something of the steps that were in flight. Plain values.
#pragma once

#include "runtime/base/ids.hpp"

namespace troupe {

struct EpochEnd {
  enum class Cause : std::uint8_t {
    orderly,      // no worker died
    unexplained,  // something broke between the ranks; if one of them had died, that is told next
    killed,       // a worker was, from outside: by somebody, or by a kernel that has no memory left
    died,         // a worker ended by itself, its device failed, or it hung
  };
  Cause cause = Cause::orderly;
  // Of the worker that died: the last step that it had begun; 0: none.
  Epoch epoch = 0;
  StepId step = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, EpochEnd& x) {
  return f(x.cause, x.epoch, x.step);
}

}  // namespace troupe
