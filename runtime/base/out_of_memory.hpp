// There is less memory than was asked for, of the host or of a device.
#pragma once

#include "runtime/base/error.hpp"

namespace troupe {

class OutOfMemory : public Error {
 public:
  using Error::Error;
};

}  // namespace troupe
